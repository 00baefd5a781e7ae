Register-ArgumentCompleter -Native -CommandName qdrant-admin -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $env:COMP_WORDS = $commandAst.ToString()
    $env:COMP_CWORD = $wordToComplete
    $env:_QDRANT_ADMIN_COMPLETE = 'powershell_complete'
    qdrant-admin | ForEach-Object {
        $value, $help = $_ -split "`t", 2
        if (-not $help) { $help = $value }
        [System.Management.Automation.CompletionResult]::new($value, $value, 'ParameterValue', $help)
    }
    Remove-Item Env:COMP_WORDS, Env:COMP_CWORD, Env:_QDRANT_ADMIN_COMPLETE
}

