package main

import (
	"bytes"
	"context"
	"fmt"
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
	command []string
	out     string // directory; each run starts without it
	size    int64  // of the Parquet files of the last run
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
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	began := time.Now()
	err := cmd.Run()
	wall := time.Since(began)
	if err != nil {
		return cost{}, fmt.Errorf("%s: %w\n%s", strings.Join(s.command, " "), err, output.String())
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, fmt.Errorf("%s: no resource usage on this system", s.name)
	}
	if s.size, err = parquetBytes(s.out); err != nil {
		return cost{}, err
	}
	unit := 1024.0 // getrusage(2): kilobytes, on macOS bytes
	if runtime.GOOS == "darwin" {
		unit = 1
	}
	cpu := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
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
