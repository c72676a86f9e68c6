package main

import (
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" name:"shell" help:"bash, zsh or fish."`
}

// Help is the long form of --help.
func (completionCmd) Help() string {
	return `Prints a script that completes commands, flags, their values, topics of the manual and paths. It is plain text: completing
never starts the program, and never calls the API.

Example:
  source <(tw2parquet completion bash)   # in ~/.bashrc; zsh: after compinit
  tw2parquet completion zsh > ~/.zfunc/_tw2parquet   # a directory of $fpath
  tw2parquet completion fish > ~/.config/fish/completions/tw2parquet.fish

Exit codes: 0 ok, 2 usage (no such shell), 50 the output cannot be written.`
}

// Run prints the script.
func (c *completionCmd) Run(a *app) error {
	p, err := newParser(a.stdout, a.stderr)
	if err != nil {
		return err
	}
	all := completions(p.Model.Node, "")
	switch c.Shell {
	case "zsh":
		return a.write(zshCompletion(all[0], all[1:]))
	case "fish":
		return a.write(fishCompletion(all))
	}
	return a.write(bashCompletion(all))
}

// completed is what can stand after a command.
type completed struct {
	path     string // its words: "", "export", "tasks list"
	help     string
	commands []completed     // only their last word and help count
	flags    []completedFlag // its own
	common   []completedFlag // those of the program that it, or a command below it, takes
	arg      offer
}

type completedFlag struct {
	name, help, placeholder string
	valued, repeated        bool
	value                   offer
}

// offer is what can stand for a value: words, or names of files, or of directories alone; or nothing that is known.
type offer struct {
	words       []string
	files, dirs bool
}

// completions are a command and all below it. The first is the program itself.
func completions(n *kong.Node, path string) []completed {
	c := completed{path: path, help: sentence(n.Help)}
	for _, f := range n.Flags {
		if !f.Hidden {
			c.flags = append(c.flags, completedFlagOf(f))
		}
	}
	if path != "" {
		program := n
		for program.Parent != nil {
			program = program.Parent
		}
		for _, f := range program.Flags {
			if !f.Hidden && takesBelow(n, f.Name) {
				c.common = append(c.common, completedFlagOf(f))
			}
		}
	}
	for _, p := range n.Positional {
		c.arg = offered(p, strings.ToUpper(p.Name))
		break // what follows is of the kind of the first, or not known
	}
	all := []completed{c}
	for _, child := range n.Children {
		if child.Type != kong.CommandNode || child.Hidden {
			continue
		}
		below := completions(child, strings.TrimSpace(path+" "+child.Name))
		all[0].commands = append(all[0].commands, below[0])
		all = append(all, below...)
	}
	return all
}

// takesBelow tells whether a command takes a flag, or one below it.
func takesBelow(n *kong.Node, name string) bool {
	if len(n.Children) == 0 {
		return takes(n, name)
	}
	return slices.ContainsFunc(n.Children, func(c *kong.Node) bool { return takesBelow(c, name) })
}

func completedFlagOf(f *kong.Flag) completedFlag {
	valued := !f.IsBool() && !f.IsCounter()
	return completedFlag{f.Name, sentence(f.Help), f.FormatPlaceHolder(), valued, f.IsSlice(), offered(f.Value, f.PlaceHolder)}
}

// offered goes by the list of a value, or by what help shows as the value: FILE, PATH, OUT.
func offered(v *kong.Value, shown string) offer {
	list := v.Enum
	if list == "" {
		list = v.Tag.Get("complete")
	}
	switch {
	case list != "":
		return offer{words: strings.Split(list, ",")}
	case shown == "TOPIC":
		return offer{words: topics}
	case shown == "FILE", shown == "PATH":
		return offer{files: true}
	case shown == "OUT":
		return offer{dirs: true}
	}
	return offer{}
}

// sentence is the first sentence of a help text.
func sentence(help string) string {
	first, _, _ := strings.Cut(help, ". ")
	first, _, _ = strings.Cut(first, "\n")
	return strings.TrimSuffix(first, ".")
}

// valuedFlags are the flags of all commands that take a value, which the next word is.
func valuedFlags(all []completed) []string {
	var names []string
	for _, c := range all {
		for _, f := range c.flags {
			if f.valued {
				names = append(names, "--"+f.name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// last is the last word of a command.
func (c completed) last() string { return c.path[strings.LastIndex(c.path, " ")+1:] }

// shellQuoted is one word of any of the three shells.
func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
