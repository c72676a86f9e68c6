package main

import (
	"fmt"
	"slices"
	"strings"
)

// zshCompletion is the script for zsh, which its own _arguments interprets.
func zshCompletion(root completed, all []completed) string {
	var b strings.Builder
	b.WriteString(`#compdef tw2parquet
# Completion for zsh. Written by: tw2parquet completion zsh

_tw2parquet() {
  local curcontext=$curcontext state line ret=1
  typeset -A opt_args
`)
	zshCommand(&b, root, all, "  ")
	b.WriteString(`  return ret
}

compdef _tw2parquet tw2parquet
if [[ $funcstack[1] == _tw2parquet ]]; then
  _tw2parquet "$@"
fi
`)
	return b.String()
}

// zshCommand completes what follows a command. Where it has commands of its own, words and CURRENT begin anew with them.
func zshCommand(b *strings.Builder, c completed, all []completed, indent string) {
	if len(c.commands) == 0 {
		fmt.Fprintf(b, "%s_arguments%s", indent, zshFlags(c, indent))
		if action := zshAction(c.arg); action != "" {
			fmt.Fprintf(b, " \\\n%s  %s", indent, shellQuoted("*:argument:"+action))
		}
		b.WriteString(" && ret=0\n")
		return
	}
	var list []string
	for _, sub := range c.commands {
		list = append(list, sub.last()+`\:`+zshDescribed(sub.help))
	}
	fmt.Fprintf(b, "%s_arguments -C%s \\\n%s  %s '*:: :->rest' && ret=0\n", indent, zshFlags(c, indent), indent, shellQuoted("1:command:(("+strings.Join(list, " ")+"))"))
	fmt.Fprintf(b, "%s[[ $state == rest ]] && case $words[1] in\n", indent)
	for _, sub := range c.commands {
		fmt.Fprintf(b, "%s%s)\n", indent, sub.last())
		for _, full := range all {
			if full.path == sub.path {
				zshCommand(b, full, all, indent+"  ")
			}
		}
		fmt.Fprintf(b, "%s  ;;\n", indent)
	}
	fmt.Fprintf(b, "%sesac\n", indent)
}

// zshFlags are those that stand after a command, each on a line.
func zshFlags(c completed, indent string) string {
	var b strings.Builder
	for _, f := range slices.Concat(c.common, c.flags) {
		fmt.Fprintf(&b, " \\\n%s  %s", indent, zshFlag(f))
	}
	return b.String()
}

func zshFlag(f completedFlag) string {
	text := "[" + strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`).Replace(f.help) + "]"
	if f.name == "help" {
		return shellQuoted("(- *)--help" + text)
	}
	if !f.valued {
		return shellQuoted("--" + f.name + text)
	}
	repeated := ""
	if f.repeated {
		repeated = "*"
	}
	action := zshAction(f.value)
	if action == "" {
		action = " " // a value that nothing is known of
	}
	return shellQuoted(repeated + "--" + f.name + "=" + text + ":" + strings.ReplaceAll(f.placeholder, ":", `\:`) + ":" + action)
}

func zshAction(o offer) string {
	switch {
	case o.files:
		return "_files"
	case o.dirs:
		return "_files -/"
	case len(o.words) > 0:
		return "(" + strings.Join(o.words, " ") + ")"
	}
	return ""
}

// zshDescribed is a description in a list of values, where quoting is a second level.
func zshDescribed(help string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`", ":", `\:`).Replace(help) + `"`
}
