package main

import (
	"fmt"
	"slices"
	"strings"
)

// bashEngine finds out which command is meant and what stands at the cursor. Bash takes = and : for ends of words, so a
// flag's value may be several words. Without compopt (bash 3.2 of macOS) compgen lists the files.
const bashEngine = `
_tw2parquet_paths() { # option of compopt, option of compgen
  if [[ -z $prefix ]] && compopt -o "$1" 2>/dev/null; then return; fi
  local IFS=$'\n'
  COMPREPLY=($(compgen -P "$prefix" "$2" -- "$cur"))
}

_tw2parquet() {
  local cur=${COMP_WORDS[COMP_CWORD]} prefix= path= flag= word i=1 value
  local commands flags words
  COMPREPLY=()
  while ((i < COMP_CWORD)); do
    word=${COMP_WORDS[i]}
    case $word in
    --) return ;;
    --*=*) ;;
    --*)
      value=0
      if [[ ${COMP_WORDS[i+1]-} == "=" ]]; then
        value=$((i + 2))
      elif [[ $_tw2parquet_valued == *" $word "* ]]; then
        value=$((i + 1))
      fi
      if ((value >= COMP_CWORD)); then
        flag=$word
        [[ $cur == "=" ]] && cur=
        break
      fi
      if ((value > 0)); then
        i=$value
        while [[ ${COMP_WORDS[i+1]-} == [:=]* ]]; do i=$((i + 2)); done
        ((i >= COMP_CWORD)) && return # inside a URL
      fi
      ;;
    -*) ;;
    *)
      _tw2parquet_command "$path"
      [[ " $commands " == *" $word "* ]] && path="${path:+$path }$word"
      ;;
    esac
    i=$((i + 1))
  done
  if [[ -z $flag && $cur == --*=* ]]; then
    flag=${cur%%=*} prefix=${cur%%=*}= cur=${cur#*=}
  fi
  if [[ -n $flag ]]; then
    words=
    _tw2parquet_value "$path" "$flag"
    case $words in
    :files) _tw2parquet_paths default -f ;;
    :dirs) _tw2parquet_paths dirnames -d ;;
    *) COMPREPLY=($(compgen -P "$prefix" -W "$words" -- "$cur")) ;;
    esac
    return
  fi
  _tw2parquet_command "$path"
  if [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
    return
  fi
  case $words in
  :files) _tw2parquet_paths default -f ;;
  :dirs) _tw2parquet_paths dirnames -d ;;
  *) COMPREPLY=($(compgen -W "$commands $words" -- "$cur")) ;;
  esac
}

complete -F _tw2parquet tw2parquet
`

func bashCompletion(all []completed) string {
	var b strings.Builder
	b.WriteString("# Completion for bash. Written by: tw2parquet completion bash\n\n")
	fmt.Fprintf(&b, "_tw2parquet_valued=%s\n", shellQuoted(" "+strings.Join(valuedFlags(all), " ")+" "))
	b.WriteString("\n_tw2parquet_command() {\n  commands= flags= words=\n  case $1 in\n")
	for _, c := range all {
		var commands []string
		for _, sub := range c.commands {
			commands = append(commands, sub.last())
		}
		fmt.Fprintf(&b, "  %s) commands=%s flags=%s words=%s ;;\n", shellQuoted(c.path), shellQuoted(strings.Join(commands, " ")), shellQuoted(flagNames(c)), shellQuoted(bashWords(c.arg)))
	}
	b.WriteString("  esac\n}\n\n_tw2parquet_value() {\n  case \"$1:$2\" in\n")
	for _, c := range append(all[1:len(all):len(all)], all[0]) { // a command's own flags first
		for _, f := range c.flags {
			if words := bashWords(f.value); words != "" {
				pattern := shellQuoted(c.path + ":--" + f.name)
				if c.path == "" {
					pattern = "*:--" + f.name
				}
				fmt.Fprintf(&b, "  %s) words=%s ;;\n", pattern, shellQuoted(words))
			}
		}
	}
	b.WriteString("  esac\n}\n")
	return b.String() + bashEngine
}

func flagNames(c completed) string {
	var names []string
	for _, f := range slices.Concat(c.common, c.flags) {
		names = append(names, "--"+f.name)
	}
	return strings.Join(names, " ")
}

func bashWords(o offer) string {
	switch {
	case o.files:
		return ":files"
	case o.dirs:
		return ":dirs"
	}
	return strings.Join(o.words, " ")
}
