import type { SHELLS } from "./complete-words.ts";

/**
 * What a shell needs to complete `maestro`. Each asks `maestro __complete`, which knows the table of commands, so that a
 * script does not grow old; that answers in about 50 ms.
 */
export const COMPLETION_SCRIPTS: Readonly<Record<(typeof SHELLS)[number], string>> = {
  bash: `# bash completion for maestro. Now: source <(maestro completion bash)
# For good: maestro completion bash > ~/.local/share/bash-completion/completions/maestro
_maestro() {
  local line="\${COMP_LINE:0:COMP_POINT}" cur head="" breaks="" char directive="" item about
  local -a words
  # Without -r, so that a backslash joins what it joins for the shell.
  read -a words <<<"$line"
  [[ $line == *[[:space:]] ]] && words+=("")
  cur="\${words[\${#words[@]} - 1]}"
  # Readline replaces only what comes after the last of its word breaks.
  for char in @ : =; do [[ $COMP_WORDBREAKS == *"$char"* ]] && breaks+="$char"; done
  [[ -n $breaks && $cur == *[$breaks]* ]] && head="\${cur%"\${cur##*[$breaks]}"}"
  # An @ breaks words and belongs to the second one.
  head="\${head%@}"
  COMPREPLY=()
  while IFS=$'\\t' read -r item about; do
    if [[ -z $directive ]]; then directive="$item"; else COMPREPLY+=("\${item#"$head"}"); fi
  done < <("\${words[0]}" __complete "\${words[@]:1}" 2>/dev/null)
  [[ $cur == --*=* ]] && cur="\${cur#*=}"
  case $directive in
    files) item=-f ;;
    folders) item=-d ;;
    *) return 0 ;;
  esac
  compopt -o filenames 2>/dev/null
  while IFS= read -r about; do COMPREPLY+=("$about"); done < <(compgen "$item" -- "$cur")
}
complete -F _maestro maestro
`,
  zsh: `#compdef maestro
# zsh completion for maestro. Now: source <(maestro completion zsh)
# For good: maestro completion zsh > "\${fpath[1]}/_maestro", then a new shell.
_maestro() {
  local -a lines values shown
  local directive line
  lines=("\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  directive="\${lines[1]}"
  for line in "\${(@)lines[2,-1]}"; do
    values+=("\${line%%$'\\t'*}")
    shown+=("\${line%%$'\\t'*}  \${line#*$'\\t'}")
  done
  (( \${#values} )) && compadd -l -d shown -a values
  [[ $directive == none ]] && return
  [[ $PREFIX == --*=* ]] && compset -P '*='
  if [[ $directive == folders ]]; then _files -/; else _files; fi
}
if [[ \${funcstack[1]} == _maestro ]]; then _maestro "$@"; else compdef _maestro maestro; fi
`,
  fish: `# fish completion for maestro. Now: maestro completion fish | source
# For good: maestro completion fish > ~/.config/fish/completions/maestro.fish
function __maestro_complete
    set -l before (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($before[1] __complete $before[2..-1] "$current" 2>/dev/null)
    test (count $lines) -gt 1; and printf '%s\\n' $lines[2..-1]
    set -l path (string replace -r -- '^--[^=]*=' '' "$current")
    switch "$lines[1]"
        case files
            __fish_complete_path "$path"
        case folders
            __fish_complete_directories "$path"
    end
end
complete -c maestro -e
complete -c maestro -f -a '(__maestro_complete)'
`,
  pwsh: `# PowerShell (7.3 or newer) completion for maestro. Now: maestro completion pwsh | Out-String | Invoke-Expression
# For good: maestro completion pwsh >> $PROFILE
Register-ArgumentCompleter -Native -CommandName maestro -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $words = @($commandAst.CommandElements | Select-Object -Skip 1 |
        Where-Object { $_.Extent.EndOffset -lt $cursorPosition } | ForEach-Object { $_.ToString() })
    $command = $commandAst.CommandElements[0].ToString()
    $lines = @(& $command __complete @words "$wordToComplete" 2>$null)
    $lines | Select-Object -Skip 1 | ForEach-Object {
        $word, $about = $_ -split "\`t", 2
        if (-not $about) { $about = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $about)
    }
}
`,
};
