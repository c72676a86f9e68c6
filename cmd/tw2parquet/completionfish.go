package main

import (
	"fmt"
	"slices"
	"strings"
)

// fishEngine tells whether the words before the cursor mean one of some commands.
const fishEngine = `
function __tw2parquet_command
    set -l words (commandline -opc)
    set -e words[1]
    set -l command ''
    set -l value 0
    for word in $words
        if test $value = 1
            set value 0
            continue
        end
        switch $word
            case '--*=*'
            case '--*'
                contains -- $word $__tw2parquet_valued; and set value 1
            case '-*'
            case '*'
                set -l next (string trim -- "$command $word")
                contains -- $next $__tw2parquet_commands; and set command $next
        end
    end
    contains -- "$command" $argv
end

complete -c tw2parquet -f
`

func fishCompletion(all []completed) string {
	var b strings.Builder
	b.WriteString("# Completion for fish. Written by: tw2parquet completion fish\n\n")
	var paths []string
	for _, c := range all[1:] {
		paths = append(paths, shellQuoted(c.path))
	}
	fmt.Fprintf(&b, "set -g __tw2parquet_valued %s\nset -g __tw2parquet_commands %s\n", strings.Join(valuedFlags(all), " "), strings.Join(paths, " "))
	b.WriteString(fishEngine)
	for _, c := range all {
		// The condition is a line of fish inside a word of fish.
		at := `-n "__tw2parquet_command '` + c.path + `'"`
		for _, sub := range c.commands {
			fmt.Fprintf(&b, "complete -c tw2parquet %s -a %s -d %s\n", at, sub.last(), fishQuoted(sub.help))
		}
		if what := fishOffer(c.arg, ""); what != "" {
			fmt.Fprintf(&b, "complete -c tw2parquet %s%s\n", at, what)
		}
		for _, f := range c.flags {
			if c.path == "" {
				at = fishTakers(all, f.name)
			}
			value := ""
			if f.valued {
				value = fishOffer(f.value, " -r")
				if value == "" {
					value = " -x" // a value that nothing is known of
				}
			}
			fmt.Fprintf(&b, "complete -c tw2parquet %s -l %s%s -d %s\n", at, f.name, value, fishQuoted(f.help))
		}
	}
	return b.String()
}

// fishTakers is the condition for a flag of the program: before any command, and after those that take it.
func fishTakers(all []completed, name string) string {
	at := `-n "__tw2parquet_command ''`
	for _, c := range all[1:] {
		if slices.ContainsFunc(c.common, func(f completedFlag) bool { return f.name == name }) {
			at += " '" + c.path + "'"
		}
	}
	return at + `"`
}

func fishOffer(o offer, required string) string {
	switch {
	case o.files:
		return required + " -F"
	case o.dirs:
		return required + " -f -a '(__fish_complete_directories)'"
	case len(o.words) > 0:
		return required + " -f -a " + fishQuoted(strings.Join(o.words, " "))
	}
	return ""
}

// fishQuoted is one word of fish, where a backslash counts inside single quotes.
func fishQuoted(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) + "'"
}
