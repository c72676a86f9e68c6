package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tw2parquet/sink/store"
)

// stdinName is what stands for standard input.
const stdinName = "-"

// input is one recording, inflated while it is read.
type input struct {
	name    string // as people know it
	path    string // "" where it can be read only once, or is an object
	object  *object
	file    string // hash of path, size and time, or version; "" where it can be read only once
	head    []byte // read ahead
	raw     io.Reader
	whole   bool  // head is all there is
	err     error // why reading ended, unless whole
	closers []func() error
}

// inspectInputs looks at the beginnings of all inputs before anything is written. Those that can be read
// only once stay open.
func inspectInputs(ctx context.Context, inputs []*input, stdin io.Reader) error {
	for _, in := range inputs {
		err := in.open(ctx, stdin)
		if refused := (*objectError)(nil); errors.As(err, &refused) {
			_ = in.Close() // only read from
			continue       // the others are converted, and then it is told
		}
		if err != nil {
			return usagef("%s cannot be read: %w", in.name, store.Cause(err))
		}
		in.fill(sniffed)
		if err := in.refuse(); err != nil {
			return err
		}
		if in.path != "" || in.object != nil {
			if err := in.Close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// refuse says what to do with an input of another format.
func (in *input) refuse() error {
	f, ok := foreign(in.head[:min(len(in.head), sniffed)], in.whole)
	if !ok {
		return nil
	}
	todo := f.todo
	if strings.Contains(todo, "%s") {
		name := in.path
		if name == "" {
			name = "…"
		}
		todo = fmt.Sprintf(todo, name)
	}
	return usagef("%s is %s, not a recorded result stream; %s", in.name, f.name, todo)
}

// Read gives what was read ahead, then the rest.
func (in *input) Read(p []byte) (int, error) {
	if len(in.head) > 0 {
		n := copy(p, in.head)
		in.head = in.head[n:]
		return n, nil
	}
	if in.whole {
		return 0, io.EOF
	}
	if in.err != nil {
		return 0, in.err
	}
	n, err := in.raw.Read(p)
	return n, in.named(err)
}

// named says of trouble which input has it.
func (in *input) named(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("%s: %w", in.name, store.Cause(err))
}

// fill reads ahead to size bytes, or to the end.
func (in *input) fill(size int) {
	for len(in.head) < size && !in.whole && in.err == nil {
		at := len(in.head)
		in.head = append(in.head, make([]byte, size-at)...)
		n, err := in.raw.Read(in.head[at:])
		in.head = in.head[:at+n]
		if in.whole = errors.Is(err, io.EOF); !in.whole {
			in.err = in.named(err)
		}
	}
}

// Close frees what is open, and what was read ahead: all inputs of a command live as long as it does.
func (in *input) Close() error {
	var first error
	for _, c := range in.closers {
		if err := c(); err != nil && first == nil {
			first = err
		}
	}
	in.closers, in.head, in.raw = nil, nil, nil
	return first
}

// maxZstdWindow bounds what a zstd frame may make us keep: the largest that `zstd` itself accepts
// without being asked to.
const maxZstdWindow = 128 << 20

// open begins reading, unless it has begun. ctx bounds the reads of an object.
func (in *input) open(ctx context.Context, stdin io.Reader) error {
	if len(in.closers) > 0 || in.raw != nil && in.path == "" && in.object == nil {
		return nil
	}
	raw := stdin
	if in.object != nil {
		o := in.object.read(ctx)
		in.closers = append(in.closers, o.Close)
		raw = o
	}
	if in.path != "" {
		f, err := os.Open(in.path)
		if err != nil {
			return err
		}
		in.closers = append(in.closers, f.Close)
		raw = f
		if err := in.identify(f); err != nil {
			return err
		}
	}
	in.head, in.whole, in.err = nil, false, nil
	buffered := bufio.NewReaderSize(raw, 64<<10)
	first, err := buffered.Peek(len(zstdMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	in.raw = buffered
	switch {
	case bytes.HasPrefix(first, gzipMagic):
		in.raw = packed{&gunzip{in: buffered}, "gzip"}
	case bytes.HasPrefix(first, zstdMagic):
		z, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return err
		}
		in.closers = append([]func() error{func() error { z.Close(); return nil }}, in.closers...)
		in.raw = packed{z, "zstd"}
	}
	return nil
}

// recognise finds out what tells an object from a later one of the same name; of a file open finds out.
func (in *input) recognise(ctx context.Context) (err error) {
	if in.object != nil {
		in.file, err = in.object.identity(ctx, in.name)
	}
	return err
}

// identify tells a file, which can be read again, from a pipe, which cannot.
func (in *input) identify(f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		in.path, in.file = "", ""
		return nil
	}
	path, err := filepath.Abs(in.path)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%q %d %d", path, info.Size(), info.ModTime().UnixNano()))
	in.file = hex.EncodeToString(sum[:])
	return nil
}

// packed says of trouble with compressed data what it is.
type packed struct {
	io.Reader
	format string
}

func (c packed) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	var path *fs.PathError
	var refused *objectError
	switch {
	case err == nil || err == io.EOF || errors.As(err, &path) || errors.As(err, &refused): //nolint:errorlint // only the bare value is an end
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("the %s data ends too early: %w", c.format, err)
	default:
		err = fmt.Errorf("the %s data is damaged: %w", c.format, err)
	}
	return n, err
}

// gunzip inflates gzip members one after the other. As for gzip itself, zeros may follow them: tapes and
// some stores fill up blocks.
type gunzip struct {
	in     *bufio.Reader
	member *gzip.Reader
	inside bool
}

func (g *gunzip) Read(p []byte) (int, error) {
	for {
		if !g.inside {
			if err := g.next(); err != nil {
				return 0, err
			}
		}
		n, err := g.member.Read(p)
		if err == io.EOF { //nolint:errorlint // only the bare value is an end
			g.inside = false
			if n == 0 {
				continue
			}
			err = nil
		}
		return n, err
	}
}

// next goes to the next member; io.EOF if there is none.
func (g *gunzip) next() (err error) {
	if g.member == nil {
		g.member, err = gzip.NewReader(g.in)
	} else {
		for zero := byte(0); zero == 0; {
			if zero, err = g.in.ReadByte(); err != nil {
				return err
			}
		}
		if err := g.in.UnreadByte(); err != nil {
			return err
		}
		if first, _ := g.in.Peek(len(gzipMagic)); len(first) == len(gzipMagic) && !bytes.Equal(first, gzipMagic) {
			return errors.New("other data follows it")
		}
		err = g.member.Reset(g.in)
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	if err != nil {
		return err
	}
	g.member.Multistream(false)
	g.inside = true
	return nil
}
