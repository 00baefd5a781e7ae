@echo off
setlocal EnableExtensions DisableDelayedExpansion
rem One click: installs qdrant-admin for this user alone, finds or starts Docker (else looks for a native server), brings the
rem server up and opens qdrant-admin. Needs no admin rights and no PowerShell. Plain ASCII, CRLF line ends.

set "RUNTIME=auto"
set "KEY_MODE=auto"
set "DRY=no"
set "UNINSTALL=no"
set "OPEN=yes"
set "EXITCODE=0"

:options
if "%~1"=="" goto options_done
if /i "%~1"=="--runtime" goto option_runtime
if /i "%~1"=="--no-api-key" goto option_no_key
if /i "%~1"=="--no-open" goto option_no_open
if /i "%~1"=="--yes" goto option_yes
if /i "%~1"=="--dry-run" goto option_dry
if /i "%~1"=="--uninstall" goto option_uninstall
if /i "%~1"=="--help" goto usage
echo error: unknown option "%~1"
set "EXITCODE=2"
goto usage
:option_runtime
if "%~2"=="" goto runtime_missing
set "RUNTIME=%~2"
shift
shift
goto options
:runtime_missing
echo error: --runtime takes auto, docker or native
set "EXITCODE=2"
goto finish
:option_no_key
set "KEY_MODE=none"
shift
goto options
:option_no_open
set "OPEN=no"
shift
goto options
:option_yes
shift
goto options
:option_dry
set "DRY=yes"
shift
goto options
:option_uninstall
set "UNINSTALL=yes"
shift
goto options

:usage
echo Usage: setup_windows.bat [options]
echo.
echo   --runtime auto^|docker^|native   how Qdrant is to run, auto by default
echo   --no-api-key                   leave the server open to every program and web page on this computer
echo   --no-open                      do not open qdrant-admin at the end
echo   --yes                          never ask
echo   --dry-run                      say what would be done, and do nothing
echo   --uninstall                    remove qdrant-admin; your data stays where it is
echo.
echo Run it again at any time: that repairs the installation and changes nothing that works.
goto finish

:options_done
if not defined LOCALAPPDATA set "LOCALAPPDATA=%USERPROFILE%\AppData\Local"
set "BASE=%LOCALAPPDATA%\qdrant-admin"
set "APP=%BASE%\app"
set "COMMAND=%APP%\Scripts\qdrant-admin"
set "LOG=%BASE%\setup.log"
for %%I in ("%~dp0..") do set "ROOT=%%~fI"
if "%UNINSTALL%"=="yes" goto uninstall

rem What to install: the checkout this script lies in, or the released package when it was downloaded alone.
set "PACKAGE=qdrant-admin[keyring]"
set "CONSTRAINTS="
if not exist "%ROOT%\pyproject.toml" goto package_known
if not exist "%ROOT%\qdrant_admin\__init__.py" goto package_known
set "PACKAGE=%ROOT%[keyring]"
if exist "%ROOT%\constraints.txt" set "CONSTRAINTS=--constraint "%ROOT%\constraints.txt""
:package_known

rem uv cannot make hard links into OneDrive folders, and roots of a company's proxy are in the system's store.
set "UV_LINK_MODE=copy"
set "UV_PYTHON_INSTALL_DIR=%LOCALAPPDATA%\uv\python"
if "%PROCESSOR_ARCHITECTURE%"=="ARM64" set "UV_PYTHON=cpython-3.12-windows-x86_64-none"

if "%DRY%"=="no" if not exist "%BASE%" mkdir "%BASE%"
call :find_uv
if defined UV goto install_with_uv
call :find_python
if defined PYTHON goto install_with_python
echo error: neither uv nor a Python 3.11, 3.12 or 3.13 was found
echo        do now: winget install --id astral-sh.uv
echo        then open a new window and run this script again
set "EXITCODE=3"
goto finish

:install_with_uv
echo -- installing qdrant-admin with uv
if "%DRY%"=="yes" goto dry_run
call "%UV%" venv --quiet --allow-existing --python 3.12 "%APP%" >>"%LOG%" 2>&1
if errorlevel 1 goto install_failed
call "%UV%" pip install --quiet --python "%APP%\Scripts\python.exe" %CONSTRAINTS% --reinstall-package qdrant-admin "%PACKAGE%" >>"%LOG%" 2>&1
if not errorlevel 1 goto engine
rem Once more with the certificates of this computer: behind a company's proxy uv's own do not suffice.
set "UV_SYSTEM_CERTS=true"
call "%UV%" pip install --quiet --python "%APP%\Scripts\python.exe" %CONSTRAINTS% --reinstall-package qdrant-admin "%PACKAGE%" >>"%LOG%" 2>&1
if errorlevel 1 goto install_failed
goto engine

:install_with_python
echo -- installing qdrant-admin with %PYTHON%
if "%DRY%"=="yes" goto dry_run
call %PYTHON% -m venv "%APP%" >>"%LOG%" 2>&1
if errorlevel 1 goto install_failed
call "%APP%\Scripts\python.exe" -m pip install --quiet --disable-pip-version-check --upgrade %CONSTRAINTS% "%PACKAGE%" >>"%LOG%" 2>&1
if errorlevel 1 goto install_failed
goto engine

:install_failed
echo error: the installation failed
echo        why: see the end of %LOG%
echo        do now: mend that, then run this script again
set "EXITCODE=3"
goto finish

:dry_run
echo     would install %PACKAGE% into %APP%
echo     would look for Docker, and start Docker Desktop when it is installed and asleep
echo     would run: qdrant-admin up --runtime %RUNTIME% --api-key %KEY_MODE%
goto finish

:engine
if /i "%RUNTIME%"=="native" goto up
set "DOCKER="
call :find_docker
if not defined DOCKER echo -- engine: no docker command; see https://docs.docker.com/desktop/
if not defined DOCKER goto up
call "%DOCKER%" info >nul 2>&1
if not errorlevel 1 goto engine_ready
echo -- engine: Docker is installed and asleep, starting it
call "%DOCKER%" desktop start --detach >>"%LOG%" 2>&1
set /a WAITED=0
:engine_wait
call "%DOCKER%" info >nul 2>&1
if not errorlevel 1 goto engine_ready
set /a WAITED+=2
if %WAITED% GEQ 90 goto engine_late
echo     waiting for Docker, %WAITED% s
ping -n 3 127.0.0.1 >nul 2>&1
goto engine_wait
:engine_late
echo -- engine: Docker was started and is not ready after 90 s; run this script again when it is
goto up
:engine_ready
echo -- engine: Docker answers

:up
echo -- bringing the server up
call "%COMMAND%" up --runtime "%RUNTIME%" --api-key "%KEY_MODE%"
if errorlevel 1 goto up_failed
if "%OPEN%"=="no" goto story
if defined CI goto story
call "%COMMAND%"
goto finish
:story
call "%COMMAND%" demo --runtime "%RUNTIME%"
if errorlevel 1 goto up_failed
call "%COMMAND%" status
echo -- done. Next: "%COMMAND%"
goto finish
:up_failed
set "EXITCODE=3"
goto finish

:uninstall
echo -- removing qdrant-admin from %APP%
if "%DRY%"=="yes" goto uninstall_said
if exist "%APP%\pyvenv.cfg" rmdir /s /q "%APP%"
:uninstall_said
echo -- done. Your data was not touched:
echo     containers and volumes   docker ps -a, docker volume ls
echo     native storage, history  %BASE%
goto finish

:find_uv
set "UV="
for %%I in (uv.exe uv.cmd) do if not defined UV if not "%%~$PATH:I"=="" set "UV=%%~$PATH:I"
if not defined UV if exist "%USERPROFILE%\.local\bin\uv.exe" set "UV=%USERPROFILE%\.local\bin\uv.exe"
exit /b 0

:find_python
rem `py` first: `python` may be the empty alias of the Microsoft Store.
set "PYTHON="
for %%V in (3.13 3.12 3.11) do call :try_python %%V
exit /b 0

:try_python
if defined PYTHON exit /b 0
call py -%1 -c "import venv, ensurepip" >nul 2>&1
if not errorlevel 1 set "PYTHON=py -%1"
exit /b 0

:find_docker
for %%I in (docker.exe docker.cmd) do if not defined DOCKER if not "%%~$PATH:I"=="" set "DOCKER=%%~$PATH:I"
exit /b 0

:finish
if defined QA_NO_PAUSE goto leave
if not "%EXITCODE%"=="0" pause
:leave
exit /b %EXITCODE%
