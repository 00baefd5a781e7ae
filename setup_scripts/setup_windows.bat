@echo off
rem Double-click, or: setup_windows.bat (--help says more). Needs no administrator, and no PowerShell.
setlocal EnableExtensions DisableDelayedExpansion

set "DRY=0"
set "YES=0"
set "TUI=1"
set "UNINSTALL=0"
set "RUNTIME=auto"
set "RESULT=0"
set "PACKAGE=qdrant-admin"
set "CONSTRAINTS="
set "UV="
set "PY="

:options
if "%~1"=="" goto ready
if /i "%~1"=="--dry-run" set "DRY=1" & shift & goto options
if /i "%~1"=="--yes" set "YES=1" & shift & goto options
if /i "%~1"=="--no-tui" set "TUI=0" & shift & goto options
if /i "%~1"=="--uninstall" set "UNINSTALL=1" & shift & goto options
if /i "%~1"=="--runtime" set "RUNTIME=%~2" & shift & shift & goto options
if /i "%~1"=="--help" goto usage
echo error: unknown option %1
exit /b 2

:usage
echo Sets up qdrant-admin and a Qdrant on this computer, for this user alone.
echo Run it again to repair or upgrade.
echo   --runtime X   auto (default), docker, native
echo   --yes         ask nothing
echo   --no-tui      run the demonstration instead of opening the interface
echo   --dry-run     say what would be done, and touch nothing
echo   --uninstall   stop the server and remove the program; data and volumes stay
exit /b 0

:ready
if /i "%RUNTIME%"=="auto" goto places
if /i "%RUNTIME%"=="docker" goto places
if /i "%RUNTIME%"=="native" goto places
echo error: --runtime takes auto, docker or native
exit /b 2

:places
if not defined LOCALAPPDATA set "LOCALAPPDATA=%USERPROFILE%\AppData\Local"
rem Never beside this script: Desktop and Documents may be synchronised by OneDrive, which breaks hard links.
set "DATA=%LOCALAPPDATA%\qdrant-admin"
set "APP=%DATA%\app"
set "LOG=%DATA%\setup.log"
set "BIN=%USERPROFILE%\.local\bin"
set "UV_LINK_MODE=copy"
if not defined UV_PYTHON_INSTALL_DIR set "UV_PYTHON_INSTALL_DIR=%LOCALAPPDATA%\uv\python"
rem gRPC has no build for Windows on ARM; the x86-64 Python runs there.
set "WANTED=3.12"
if /i "%PROCESSOR_ARCHITECTURE%"=="ARM64" set "WANTED=cpython-3.12-windows-x86_64"
if "%DRY%"=="1" set "LOG=nul"
if "%DRY%"=="0" if not exist "%DATA%\" mkdir "%DATA%"
if exist "%~dp0..\pyproject.toml" set "PACKAGE=%~dp0.."
if exist "%~dp0..\constraints.txt" if exist "%~dp0..\pyproject.toml" set "CONSTRAINTS=%~dp0..\constraints.txt"
call :find_uv
call :find_python
if "%UNINSTALL%"=="1" goto uninstall

echo installing qdrant-admin from "%PACKAGE%"
if defined UV goto with_uv
if defined PY goto with_venv
echo error: neither uv nor a Python 3.11 or newer is here
echo   do this: winget install --id=astral-sh.uv -e
set "RESULT=3"
goto finish

:with_uv
set "ADMIN=%BIN%\qdrant-admin.exe"
if "%DRY%"=="1" echo would run: "%UV%" tool install "%PACKAGE%"& goto engine
call :uv_install
if not errorlevel 1 goto installed_uv
rem A second time with the system's certificates: uv brings its own, which an inspecting proxy does not satisfy.
set "UV_SYSTEM_CERTS=true"
set "UV_NATIVE_TLS=true"
call :uv_install
if not errorlevel 1 goto installed_uv
echo error: uv could not install qdrant-admin
echo   log: "%LOG%"
set "RESULT=3"
goto finish

:installed_uv
for /f "usebackq delims=" %%I in (`call "%UV%" tool dir --bin 2^>nul`) do set "BIN=%%I"
call :find_admin
goto engine

:with_venv
set "ADMIN=%APP%\Scripts\qdrant-admin.exe"
if "%DRY%"=="1" echo would run: %PY% -m venv "%APP%"& goto engine
%PY% -m venv "%APP%" >>"%LOG%" 2>&1
if errorlevel 1 goto venv_failed
set "CONSTRAIN="
if defined CONSTRAINTS set CONSTRAIN=--constraint "%CONSTRAINTS%"
"%APP%\Scripts\python.exe" -m pip install --upgrade %CONSTRAIN% keyring "%PACKAGE%" >>"%LOG%" 2>&1
if errorlevel 1 goto venv_failed
"%APP%\Scripts\python.exe" -m pip install --force-reinstall --no-deps "%PACKAGE%" >>"%LOG%" 2>&1
if errorlevel 1 goto venv_failed
set "BIN=%APP%\Scripts"
goto engine

:venv_failed
echo error: pip could not install qdrant-admin
echo   log: "%LOG%"
set "RESULT=3"
goto finish

:engine
echo to have it at hand everywhere, add this folder to PATH: "%BIN%"
if /i "%RUNTIME%"=="native" goto bring_up
call :find_docker
if not defined DOCKER echo no docker command is here: Docker Desktop is at https://docs.docker.com/desktop/& goto bring_up
call :docker_answers
if not errorlevel 1 echo the container engine answers& goto bring_up
if "%DRY%"=="1" echo would run: "%DOCKER%" desktop start --detach& goto bring_up
if defined DOCKER_HOST echo DOCKER_HOST does not answer, and is not ours to start& goto bring_up
echo starting Docker Desktop
call "%DOCKER%" desktop start --detach >>"%LOG%" 2>&1
set /a WAITED=0

:wait_engine
call :docker_answers
if not errorlevel 1 echo the container engine answers& goto bring_up
if %WAITED% geq 90 echo Docker is installed and did not come up& goto bring_up
set /a WAITED+=2
echo waiting for the container engine: %WAITED% s of 90
rem "timeout" fails when standard input is redirected.
ping -n 3 127.0.0.1 >nul
goto wait_engine

:bring_up
if "%DRY%"=="1" echo would run: "%ADMIN%" up --runtime %RUNTIME%& goto would_show
echo bringing the server up
call "%ADMIN%" up --runtime %RUNTIME%
if errorlevel 1 goto up_failed
if "%TUI%"=="0" goto demonstrate
rem Without a terminal there is nothing to open; where PowerShell cannot tell, the interface itself will.
powershell -NoProfile -NonInteractive -Command "exit [int]([Console]::IsInputRedirected -or [Console]::IsOutputRedirected)" >nul 2>&1
if "%ERRORLEVEL%"=="1" goto demonstrate
call "%ADMIN%"
set "RESULT=%ERRORLEVEL%"
goto finish

:up_failed
set "RESULT=3"
echo the server did not come up; to see why: "%ADMIN%" doctor
goto finish

:demonstrate
call "%ADMIN%" demo --runtime %RUNTIME%
if errorlevel 1 goto demo_failed
call "%ADMIN%" status
if errorlevel 1 echo the server wants attention: "%ADMIN%" doctor
echo next: "%ADMIN%"
goto finish

:demo_failed
set "RESULT=3"
echo error: the demonstration did not succeed; again: "%ADMIN%" demo
goto finish

:would_show
echo would run: "%ADMIN%"
goto finish

:uninstall
call :find_admin
if "%DRY%"=="1" echo would run: "%ADMIN%" down --remove& goto data_stays
if exist "%ADMIN%" call "%ADMIN%" down --remove
if defined UV call "%UV%" tool uninstall qdrant-admin >>"%LOG%" 2>&1
if exist "%APP%\" rmdir /s /q "%APP%"

:data_stays
echo removed. Your data was not touched:
echo   native servers, settings and API keys: "%DATA%"
echo   containers: the volumes listed by: docker volume ls --filter name=qdrant_admin
goto finish

:finish
if "%YES%"=="1" exit /b %RESULT%
if defined QA_NO_PAUSE exit /b %RESULT%
rem Only a double click would take the window away with the last lines in it.
set "LINE=%CMDCMDLINE:"=%"
if not "%LINE:/c =%"=="%LINE%" pause
exit /b %RESULT%

:uv_install
if defined CONSTRAINTS goto uv_constrained
call "%UV%" tool install --force --python %WANTED% --reinstall-package qdrant-admin --with keyring "%PACKAGE%" >>"%LOG%" 2>&1
exit /b %ERRORLEVEL%

:uv_constrained
call "%UV%" tool install --force --python %WANTED% --reinstall-package qdrant-admin --with keyring --constraints "%CONSTRAINTS%" "%PACKAGE%" >>"%LOG%" 2>&1
exit /b %ERRORLEVEL%

:find_admin
set "ADMIN=%APP%\Scripts\qdrant-admin.exe"
if exist "%BIN%\qdrant-admin.cmd" set "ADMIN=%BIN%\qdrant-admin.cmd"
if exist "%BIN%\qdrant-admin.exe" set "ADMIN=%BIN%\qdrant-admin.exe"
exit /b 0

:find_uv
for %%I in (uv.exe) do if not "%%~$PATH:I"=="" set "UV=%%~$PATH:I"
if not defined UV for %%I in (uv.cmd) do if not "%%~$PATH:I"=="" set "UV=%%~$PATH:I"
if not defined UV if exist "%USERPROFILE%\.local\bin\uv.exe" set "UV=%USERPROFILE%\.local\bin\uv.exe"
if not defined UV if exist "%USERPROFILE%\.cargo\bin\uv.exe" set "UV=%USERPROFILE%\.cargo\bin\uv.exe"
exit /b 0

:find_python
rem The python.exe of the Microsoft Store is an empty file that opens a shop, so only the launcher counts.
for %%V in (3.11 3.12 3.13) do call :try_python %%V
exit /b 0

:try_python
set "LAUNCHER="
for %%I in (py.exe) do if not "%%~$PATH:I"=="" set "LAUNCHER=%%~$PATH:I"
if not defined LAUNCHER exit /b 0
"%LAUNCHER%" -%1 -c "import venv, ensurepip" >nul 2>&1
if errorlevel 1 exit /b 0
set PY="%LAUNCHER%" -%1
exit /b 0

:find_docker
set "DOCKER="
for %%I in (docker.exe) do if not "%%~$PATH:I"=="" set "DOCKER=%%~$PATH:I"
if not defined DOCKER for %%I in (docker.cmd) do if not "%%~$PATH:I"=="" set "DOCKER=%%~$PATH:I"
if not defined DOCKER if exist "%ProgramFiles%\Docker\Docker\resources\bin\docker.exe" set "DOCKER=%ProgramFiles%\Docker\Docker\resources\bin\docker.exe"
exit /b 0

:docker_answers
call "%DOCKER%" info >nul 2>&1
exit /b %ERRORLEVEL%
