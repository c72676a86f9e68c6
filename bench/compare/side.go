package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// side is one who takes part.
type side struct {
	name    string
	note    string // what it does besides, or does not do
	command []string
	env     []string              // beside the environment of this process
	input   func(io.Writer) error // writes standard input, if there is any
	out     string                // directory; each run starts without it
	renew   func()                // gives a run another directory and command; nil: none needs that
	loose   bool                  // its absent lists and maps are empty ones
	replace string                // SQL after "SELECT *" that undoes what it writes otherwise
	size    int64                 // of the Parquet files of the last run
	costs   []cost
}

// measure runs the side once as a process of its own.
func (s *side) measure(ctx context.Context) (cost, error) {
	if err := os.RemoveAll(s.out); err != nil {
		return cost{}, err
	}
	if s.renew != nil {
		s.renew()
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return cost{}, err
	}
	c, err := metered(ctx, s.env, s.command, s.input, nil)
	if err != nil {
		return cost{}, err
	}
	s.size, err = parquetBytes(s.out)
	return c, err
}

// parquetBytes adds up the Parquet files under dir; none is an error.
func parquetBytes(dir string) (int64, error) {
	var size int64
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(name) != ".parquet" {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err == nil && size == 0 {
		err = fmt.Errorf("no Parquet file under %s", dir)
	}
	return size, err
}
