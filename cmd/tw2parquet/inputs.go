package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// inputs reads files one after the other as one stream, inflating what is compressed, with a newline
// in between, so that a file without a last one does not run into the next.
type inputs struct {
	names   []string
	stdin   io.Reader
	current io.Reader
	closers []func() error
	between bool
}

func newInputs(names []string, stdin io.Reader) *inputs { return &inputs{names: names, stdin: stdin} }

// Read opens the next input when one is at its end.
func (in *inputs) Read(p []byte) (int, error) {
	for {
		if in.current == nil {
			if len(in.names) == 0 {
				return 0, io.EOF
			}
			if err := in.open(in.names[0]); err != nil {
				return 0, err
			}
			if in.between {
				in.current = io.MultiReader(bytes.NewReader([]byte{'\n'}), in.current)
			}
			in.between = true
		}
		n, err := in.current.Read(p)
		if err == io.EOF {
			if err := in.next(); err != nil {
				return n, err
			}
			if n == 0 {
				continue
			}
			return n, nil
		}
		if err != nil {
			err = &inputError{fmt.Errorf("%s: %w", in.names[0], cause(err))}
		}
		return n, err
	}
}

// next closes what is at its end.
func (in *inputs) next() error {
	in.names, in.current = in.names[1:], nil
	return in.Close()
}

// Close frees what is open.
func (in *inputs) Close() error {
	var first error
	for _, c := range in.closers {
		if err := c(); err != nil && first == nil {
			first = err
		}
	}
	in.closers = nil
	return first
}

// Magic numbers of what is inflated (RFC 1952, RFC 8878). The name's ending is not asked: standard
// input has none.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// maxZstdWindow bounds what a zstd frame may make us keep: the largest that `zstd` itself accepts
// without being asked to.
const maxZstdWindow = 128 << 20

func (in *inputs) open(name string) error {
	raw := in.stdin
	if name != stdinName {
		f, err := os.Open(name)
		if err != nil {
			return &inputError{fmt.Errorf("%s: %w", name, cause(err))}
		}
		in.closers = append(in.closers, f.Close)
		raw = f
	}
	head := make([]byte, len(zstdMagic))
	n, err := io.ReadFull(raw, head)
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return &inputError{fmt.Errorf("%s: %w", name, cause(err))}
	}
	head = head[:n]
	whole := io.MultiReader(bytes.NewReader(head), raw)
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		z, err := gzip.NewReader(bufio.NewReaderSize(whole, 1<<20))
		if err != nil {
			return &inputError{fmt.Errorf("%s: %w", name, err)}
		}
		in.closers = append([]func() error{z.Close}, in.closers...)
		in.current = z
	case bytes.HasPrefix(head, zstdMagic):
		z, err := zstd.NewReader(whole, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow))
		if err != nil {
			return &inputError{fmt.Errorf("%s: %w", name, err)}
		}
		in.closers = append([]func() error{func() error { z.Close(); return nil }}, in.closers...)
		in.current = z
	default:
		in.current = whole
	}
	return nil
}
