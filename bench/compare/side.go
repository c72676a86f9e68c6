package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// side is one who takes part.
type side struct {
	name    string
	note    string // what it does besides, or does not do
	command []string
	env     []string              // beside the environment of this process
	input   func(io.Writer) error // writes standard input, if there is any
	out     string                // directory; each run starts without it
	loose   bool                  // its absent lists and maps are empty ones
	replace string                // SQL after "SELECT *" that undoes what it writes otherwise
	size    int64                 // of the Parquet files of the last run
	costs   []cost
}

// cost is what one run took: seconds, seconds, MiB.
type cost struct{ wall, cpu, rss float64 }

// measure runs the side once as a process of its own.
func (s *side) measure(ctx context.Context) (cost, error) {
	if err := os.RemoveAll(s.out); err != nil {
		return cost{}, err
	}
	if err := os.MkdirAll(s.out, 0o755); err != nil {
		return cost{}, err
	}
	cmd := exec.CommandContext(ctx, s.command[0], s.command[1:]...)
	cmd.Env = append(os.Environ(), s.env...)
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	var fed chan error
	if s.input != nil {
		stdin, err := cmd.StdinPipe()
		if err != nil {
			return cost{}, err
		}
		fed = make(chan error, 1)
		go func() { fed <- errors.Join(s.input(stdin), stdin.Close()) }()
	}
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if fed != nil {
		err = errors.Join(err, <-fed)
	}
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(s.command, " "), err, output.String())
	}
	if s.size, err = parquetBytes(s.out); err != nil {
		return cost{}, err
	}
	return spent(cmd.ProcessState, wall)
}

// spent is what a process took that has ended.
func spent(p *os.ProcessState, wall time.Duration) (cost, error) {
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, errors.New("no resource usage on this system")
	}
	unit := 1024.0 // getrusage(2): kilobytes, on macOS bytes
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	cpu := p.UserTime() + p.SystemTime()
	return cost{wall: wall.Seconds(), cpu: cpu.Seconds(), rss: float64(usage.Maxrss) * unit / (1 << 20)}, nil
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
