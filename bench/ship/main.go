// Command ship makes a release of tw2parquet from a checkout, with the Go toolchain and git alone and without a network
// (once the modules are there): binaries, archives, Debian and RPM packages, an image, bills of materials, checksums and
// a statement of provenance. Everything carries the time of the commit, so a commit gives the same bytes wherever and
// whenever it is built.
//
// It stands in for goreleaser, which compiles some 370 modules to do this and whose current versions need a newer Go than
// ours.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "ship:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("ship", flag.ContinueOnError)
	root := flags.String("root", "../..", "the checkout")
	out := flags.String("out", "../../bin/release", "directory for the release, made anew")
	tagged := flags.Bool("tagged", false, "refuse what is not a clean checkout of a version's tag")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	c, err := open(ctx, *root)
	if err != nil {
		return err
	}
	if *tagged {
		if err := c.released(); err != nil {
			return err
		}
	}
	names, err := c.ship(ctx, *out)
	if err != nil {
		return err
	}
	for _, name := range names {
		fmt.Fprintln(stdout, name)
	}
	return nil
}

// platforms are what the product is built for.
var platforms = []platform{{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}}

type platform struct{ os, arch string }

// ship makes everything in dir and returns the names of what is to be published.
func (c *checkout) ship(ctx context.Context, dir string) ([]string, error) {
	o, err := newOutput(dir)
	if err != nil {
		return nil, err
	}
	work, err := os.MkdirTemp("", "ship-")
	if err != nil {
		return nil, err
	}
	err = errors.Join(c.fill(ctx, o, work), os.RemoveAll(work))
	return o.names, err
}

// fill makes the artifacts. The order matters at the end: the statement names all of them, the checksums the statement too.
func (c *checkout) fill(ctx context.Context, o *output, work string) error {
	programs, err := c.build(ctx, work)
	if err != nil {
		return err
	}
	papers, err := c.papers(ctx, programs, work)
	if err != nil {
		return err
	}
	bases := map[platform]string{}
	for _, p := range platforms {
		bases[p] = fmt.Sprintf("tw2parquet_%s_%s_%s", c.name(), p.os, p.arch)
		if err := c.platform(o, p, bases[p], programs[p], papers); err != nil {
			return fmt.Errorf("%s/%s: %w", p.os, p.arch, err)
		}
	}
	if err := c.image(o, fmt.Sprintf("tw2parquet_%s_oci.tar", c.name()), programs, papers); err != nil {
		return fmt.Errorf("image: %w", err)
	}
	if err := c.provenance(o, fmt.Sprintf("tw2parquet_%s_provenance.intoto.jsonl", c.name()), programs[platforms[0]]); err != nil {
		return err
	}
	return o.checksums(fmt.Sprintf("tw2parquet_%s_checksums.txt", c.name()))
}

// platform makes what there is once for each platform.
func (c *checkout) platform(o *output, p platform, base, program string, papers papers) error {
	tree, err := papers.archive(program)
	if err != nil {
		return err
	}
	if err := o.write(base+".tar.gz", func(w io.Writer) error { return writeTarGz(w, under(base+"/", tree), c.when) }); err != nil {
		return err
	}
	if err := o.write(base+".cdx.json", func(w io.Writer) error { return c.bill(w, program) }); err != nil {
		return err
	}
	if p.os != "linux" {
		return nil
	}
	tree, err = papers.installed(program)
	if err != nil {
		return err
	}
	if err := o.write(base+".deb", func(w io.Writer) error { return c.deb(w, p, tree) }); err != nil {
		return err
	}
	return o.write(base+".rpm", func(w io.Writer) error { return c.rpm(w, p, tree) })
}
