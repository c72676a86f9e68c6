// Command size tells what the binary is made of, by module: the code and data whose symbols name a package of it. What no
// symbol names (tables of lines for stack traces, names and layouts of types, the loader's) is shared out by nobody.
package main

import (
	"context"
	"debug/buildinfo"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "size:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("size", flag.ContinueOnError)
	root := flags.String("root", "../..", "the checkout")
	least := flags.Float64("least", 0.1, "modules below so many MB are one line")
	if err := flags.Parse(args); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "size-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(work) }() // nothing in it matters
	for _, tags := range []string{"", "nocloud"} {
		total, parts, err := measure(ctx, *root, filepath.Join(work, "tw2parquet"), tags)
		if err != nil {
			return err
		}
		title := "everything"
		if tags != "" {
			title = "-tags " + tags
		}
		if err := table(stdout, title, total, parts, int64(*least*1e6)); err != nil {
			return err
		}
	}
	return nil
}

// build builds the program as it is shipped, or with its symbols, and returns its size. The environment is added to this
// process's.
func build(ctx context.Context, root, program, tags, strip string, env ...string) (int64, error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", tags, "-ldflags", strip, "-o", program, "./cmd/tw2parquet")
	cmd.Dir, cmd.Env, cmd.Stderr = root, slices.Concat(os.Environ(), []string{"CGO_ENABLED=0", "GOFLAGS="}, env), os.Stderr
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	info, err := os.Stat(program)
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// measure builds the program twice: as it is shipped for its size, and with its symbols.
func measure(ctx context.Context, root, program, tags string) (total int64, parts map[string]int64, err error) {
	if total, err = build(ctx, root, program, tags, "-s -w"); err != nil {
		return 0, nil, err
	}
	if _, err := build(ctx, root, program, tags, "-w"); err != nil {
		return 0, nil, err
	}
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return 0, nil, err
	}
	var modules []string
	for _, d := range info.Deps {
		modules = append(modules, d.Path)
	}
	symbols, err := exec.CommandContext(ctx, "go", "tool", "nm", "-size", program).Output()
	if err != nil {
		return 0, nil, fmt.Errorf("go tool nm: %w", err)
	}
	return total, share(string(symbols), modules), nil
}

// share adds up the symbols of each module. Those without a byte in the file (b, B) and those that only mark a place count
// nothing.
func share(symbols string, modules []string) map[string]int64 {
	parts := map[string]int64{}
	for line := range strings.Lines(symbols) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.ContainsAny(f[2], "tTrRdD") || strings.HasSuffix(f[3], "_end") {
			continue
		}
		if n, err := strconv.ParseInt(f[1], 10, 64); err == nil && n < 1<<24 {
			parts[moduleOf(packageOf(f[3]), modules)] += n
		}
	}
	return parts
}

// packageOf is the package in a symbol's name, such as type:.eq.a.com/b/c.T or a.com/b/c.(*T[...]).m.
func packageOf(symbol string) string {
	for _, prefix := range []string{"type:.eq.", "type:.hash.", "go:itab.*", "go:itab.", "type:"} {
		symbol = strings.TrimPrefix(symbol, prefix)
	}
	symbol, _, _ = strings.Cut(symbol, "[")
	symbol, _, _ = strings.Cut(symbol, ",")
	slash := strings.LastIndexByte(symbol, '/') + 1
	if dot := strings.IndexByte(symbol[slash:], '.'); dot >= 0 {
		return strings.ReplaceAll(symbol[:slash+dot], "%2e", ".")
	}
	return symbol
}

// moduleOf is the module with the longest path that holds a package.
func moduleOf(pkg string, modules []string) string {
	if pkg == "main" || pkg == "tw2parquet" || strings.HasPrefix(pkg, "tw2parquet/") {
		return "tw2parquet"
	}
	best := ""
	for _, m := range modules {
		if (pkg == m || strings.HasPrefix(pkg, m+"/")) && len(m) > len(best) {
			best = m
		}
	}
	switch first, _, _ := strings.Cut(pkg, "/"); {
	case best != "":
		return best
	case strings.ContainsAny(first, ":"):
		return "(the linker's)"
	default:
		return "(Go's standard library)"
	}
}

func table(w io.Writer, title string, total int64, parts map[string]int64, least int64) error {
	names := make([]string, 0, len(parts))
	rest := total
	small, smalls := int64(0), 0
	for name, n := range parts {
		rest -= n
		if n < least {
			small, smalls = small+n, smalls+1
			continue
		}
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return int(parts[b] - parts[a]) })
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "MB\t %s\n", title)
	row := func(n int64, name string) { fmt.Fprintf(out, "%.2f\t %s\n", float64(n)/1e6, name) }
	row(total, "the binary")
	for _, name := range names {
		row(parts[name], name)
	}
	row(small, fmt.Sprintf("%d smaller modules", smalls))
	row(rest, "named by no symbol")
	fmt.Fprintln(out)
	return out.Flush()
}
