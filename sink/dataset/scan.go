//go:build unix

package dataset

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"syscall"

	"tw2parquet/sink"
)

// parquetSuffix is what engines glob for, in any case to be safe.
const parquetSuffix = ".parquet"

// entry is a name that ends in .parquet.
type entry struct {
	size    int64
	regular bool
}

// scan finds every Parquet file below the root, the state directory included: nothing in there may
// be called so. bad is called for directories that cannot be read.
func scan(ctx context.Context, root *os.Root, bad func(name string, err error)) (map[string]entry, error) {
	found := map[string]entry{}
	err := fs.WalkDir(root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if cerr := ctx.Err(); cerr != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			switch {
			case errors.Is(err, fs.ErrNotExist): // staging comes and goes
			case withheld(root, name, err): // not published, and no query of this user can find it
			default:
				bad(name, err)
			}
			return nil
		}
		if d.IsDir() || !strings.EqualFold(path.Ext(name), parquetSuffix) {
			return nil
		}
		info, err := d.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			bad(name, err)
		default:
			found[name] = entry{size: info.Size(), regular: info.Mode().IsRegular()}
		}
		return nil
	})
	return found, err
}

// withheld tells whether err only says that a part of the output is private to another user.
func withheld(root *os.Root, name string, err error) bool {
	if !errors.Is(err, fs.ErrPermission) || !sink.Private(name) {
		return false
	}
	info, err := root.Lstat(name)
	if err != nil {
		return false
	}
	of, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(of.Uid) != os.Geteuid()
}

// open opens a regular file for reading, and does not wait for a writer, should it have become a pipe. A
// symbolic link at the end of the name is none: os.Root would follow it within the output, so the name is looked at first and compared with what was opened.
func open(root *os.Root, name string) (*os.File, int64, error) {
	name = filepath.FromSlash(name)
	found, err := root.Lstat(name)
	if err != nil {
		return nil, 0, err
	}
	if !found.Mode().IsRegular() {
		return nil, 0, errNoRegularFile
	}
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err == nil && (!os.SameFile(info, found) || !info.Mode().IsRegular()) {
		err = errNoRegularFile
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

var errNoRegularFile = errors.New("no regular file")

// regular is the size of an open regular file.
func regular(f *os.File) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if !info.Mode().IsRegular() {
		return 0, errNoRegularFile
	}
	return info.Size(), nil
}

// readSmall reads a whole file of at most limit bytes.
func readSmall(root *os.Root, name string, limit int64) ([]byte, error) {
	f, size, err := open(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > limit {
		return nil, fmt.Errorf("it has %d bytes, more than the limit of %d", size, limit)
	}
	return io.ReadAll(io.LimitReader(f, limit))
}

// unreadable says why a file could not be opened or read, without its path.
func unreadable(err error) string {
	var pe *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "it was published, and is missing"
	case errors.Is(err, errNoRegularFile):
		return errNoRegularFile.Error()
	case errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF):
		return "it became shorter while it was read"
	case errors.As(err, &pe):
		err = pe.Err
	}
	return "it cannot be read: " + clean(err.Error())
}

// maxReason bounds a reason that holds text of a library or a file.
const maxReason = 200

// clean makes text of others fit for one line of a terminal.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) > maxReason {
		s = strings.ToValidUTF8(s[:maxReason], "") + "…"
	}
	return s
}
