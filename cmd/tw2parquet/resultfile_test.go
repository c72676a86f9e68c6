package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"golang.org/x/sys/unix"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stored is the result that a file holds, which has to be all that it holds.
func stored(t *testing.T, name string) result {
	t.Helper()
	text, err := os.ReadFile(name)
	must(t, err)
	if strings.Count(string(text), "\n") != 1 {
		t.Errorf("%s holds %q", name, text)
	}
	return lastLine(t, string(text))
}

func TestResultFile_ReplacesAFileAndKeepsLinks(t *testing.T) {
	old := strings.Repeat("what was there before\n", 1000)
	for name, c := range map[string]struct {
		prepare func(t *testing.T, dir string) // makes dir/result
		target  string
	}{
		"nothing yet":   {func(*testing.T, string) {}, "result"},
		"a file":        {func(t *testing.T, dir string) { must(t, os.WriteFile(dir+"/result", []byte(old), 0o600)) }, "result"},
		"a link":        {func(t *testing.T, dir string) { must(t, os.Symlink("there/target", dir+"/result")) }, "there/target"},
		"into nowhere":  {func(t *testing.T, dir string) { must(t, os.Symlink(dir+"/there/new", dir+"/result")) }, "there/new"},
		"links":         {func(t *testing.T, dir string) { chain(t, dir) }, "there/target"},
		"a link upward": {func(t *testing.T, dir string) { upward(t, dir) }, "there/target"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Mkdir(dir+"/there", 0o700))
			must(t, os.WriteFile(dir+"/there/target", []byte(old), 0o600))
			c.prepare(t, dir)
			link, _ := os.Readlink(dir + "/result")
			reader, rerr := os.Open(dir + "/result")
			if code, _, stderr := call(t, "version", "--result-file", dir+"/result"); code != exitOK {
				t.Fatalf("exit %d: %s", code, stderr)
			}
			if r := stored(t, filepath.Join(dir, c.target)); r.Status != "complete" {
				t.Errorf("%+v", r)
			}
			if now, _ := os.Readlink(dir + "/result"); now != link {
				t.Errorf("the link leads to %q, and led to %q", now, link)
			}
			if rerr == nil { // whoever has the old one open reads all of it
				text, err := io.ReadAll(reader)
				if reader.Close(); err != nil || string(text) != old {
					t.Errorf("the old file has %d bytes, %v", len(text), err)
				}
			}
			if left, _ := filepath.Glob(dir + "/*/.tw2parquet*"); len(left) > 0 {
				t.Error(left)
			}
		})
	}
}

func chain(t *testing.T, dir string) {
	must(t, os.Symlink("second", dir+"/result"))
	must(t, os.Symlink(dir+"/there/third", dir+"/second"))
	must(t, os.Symlink("target", dir+"/there/third"))
}

// upward makes a link whose ".." is not the parent in the text.
func upward(t *testing.T, dir string) {
	must(t, os.MkdirAll(dir+"/there/deep", 0o700))
	must(t, os.Symlink("there/deep", dir+"/short"))
	must(t, os.Symlink("short/../target", dir+"/result"))
}

func TestResultFile_RefusedBeforeAnything(t *testing.T) {
	dir := t.TempDir()
	socket, err := net.Listen("unix", filepath.Join(dir, "socket"))
	must(t, err)
	t.Cleanup(func() { _ = socket.Close() })
	must(t, os.Symlink("loop", dir+"/loop"))
	must(t, os.WriteFile(dir+"/file", nil, 0o600))
	cases := map[string]string{
		"directory": dir, "socket": dir + "/socket", "loop": dir + "/loop", "no directory": dir + "/none/x", "below a file": dir + "/file/x",
		"a directory to be": dir + "/none/", "no such descriptor": "/dev/fd/987", "one of our own": "/proc/self/fd/" + ownDescriptorOf(t, dir),
	}
	if unix.Mknod(dir+"/disk", unix.S_IFBLK|0o600, int(unix.Mkdev(7, 99))) == nil { // as root
		cases["block device"] = dir + "/disk"
	}
	for name, path := range cases {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(dir, "out")
			code, stdout, stderr := call(t, "convert", dir+"/file", "--out", out, "--result-file", path)
			if r := lastLine(t, stdout); code != exitUsage || r.ExitCode != exitUsage || !strings.Contains(stderr, "--result-file "+path) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("exit %d\n%s%s", code, stdout, stderr)
			}
			if _, err := os.Stat(out); err == nil {
				t.Error("something was written")
			}
		})
	}
}

// ownDescriptorOf is the number of a file that this process has opened itself.
func ownDescriptorOf(t *testing.T, dir string) string {
	f, err := os.Create(dir + "/opened")
	must(t, err)
	t.Cleanup(func() { f.Close() })
	return descriptorText(f)
}

func descriptorText(f *os.File) string {
	return strconv.Itoa(int(f.Fd()))
}

// descriptorPath makes a descriptor look like one that the process was started with, and is its path.
func descriptorPath(t *testing.T, f *os.File) string {
	t.Helper()
	_, err := unix.FcntlInt(f.Fd(), unix.F_SETFD, 0)
	must(t, err)
	return "/dev/fd/" + descriptorText(f)
}

func TestResultFile_DescriptorsAreWrittenTo(t *testing.T) {
	t.Run("pipe", func(t *testing.T) {
		r, w, err := os.Pipe()
		must(t, err)
		if code, _, stderr := call(t, "version", "--result-file", descriptorPath(t, w)); code != exitOK {
			t.Errorf("exit %d: %s", code, stderr)
		}
		w.Close()
		text, err := io.ReadAll(r)
		if r.Close(); err != nil || lastLine(t, string(text)).Status != "complete" {
			t.Errorf("%q, %v", text, err)
		}
	})
	t.Run("pipe without a reader", func(t *testing.T) {
		r, w, err := os.Pipe()
		must(t, err)
		r.Close()
		defer w.Close()
		if code, stdout, stderr := call(t, "version", "--result-file", descriptorPath(t, w)); code != exitOK || stdout == "" || stderr != "" {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
	t.Run("file at an offset", func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "log")
		f, err := os.Create(name)
		must(t, err)
		defer f.Close()
		_, err = f.WriteString("first\n")
		must(t, err)
		if code, _, stderr := call(t, "version", "--result-file", descriptorPath(t, f)); code != exitOK {
			t.Errorf("exit %d: %s", code, stderr)
		}
		text, _ := os.ReadFile(name)
		if rest, ok := strings.CutPrefix(string(text), "first\n"); !ok || lastLine(t, rest).Status != "complete" {
			t.Errorf("%q", text)
		}
	})
	t.Run("for reading only", func(t *testing.T) {
		f, err := os.Open(os.DevNull)
		must(t, err)
		defer f.Close()
		if code, _, stderr := call(t, "version", "--result-file", descriptorPath(t, f)); code != exitUsage || !strings.Contains(stderr, "reading only") {
			t.Errorf("exit %d: %s", code, stderr)
		}
	})
}

// The file behind our own standard output or error must not be taken from it.
func TestResultFile_OurOwnStreams(t *testing.T) {
	for _, v := range variables() {
		t.Setenv(v, "")
	}
	for name, c := range map[string]struct {
		args       []string
		code       int
		toErr      bool
		resultTold int // times
	}{
		"a data command prints one line": {[]string{"convert", "/none", "--out", "/none/out"}, exitUsage, false, 1},
		"version, then the result":       {[]string{"version"}, exitOK, false, 1},
		"standard error":                 {[]string{"version"}, exitOK, true, 1},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			f, err := os.Create(path)
			must(t, err)
			defer f.Close()
			var other bytes.Buffer
			out, errs := io.Writer(f), io.Writer(&other)
			if c.toErr {
				out, errs = errs, out
			}
			if code := run(t.Context(), append(c.args, "--result-file", path), strings.NewReader(""), out, errs); code != c.code {
				t.Errorf("exit %d: %s", code, &other)
			}
			text, err := os.ReadFile(path)
			if err != nil || strings.Count(string(text), `"exit_code"`) != c.resultTold || lastLine(t, string(text)).ExitCode != c.code {
				t.Errorf("%q, %v", text, err)
			}
			if !c.toErr && c.code == exitOK && !strings.HasPrefix(string(text), "tw2parquet") {
				t.Errorf("what was printed before is gone: %q", text)
			}
		})
	}
}

// A device stays one; and what cannot be written at the end is what line and exit code say.
func TestResultFile_Devices(t *testing.T) {
	dir := t.TempDir()
	for device, want := range map[string]int{"/dev/null": exitOK, "/dev/full": exitStorage} {
		if _, err := os.Stat(device); err != nil {
			continue // not Linux
		}
		link := filepath.Join(dir, filepath.Base(device)) // a link, so that a mistake costs no device
		must(t, os.Symlink(device, link))
		out, _ := converted(t, 200)
		in := filepath.Join(filepath.Dir(out), "stream.ndjson")
		code, stdout, stderr := call(t, "convert", in, "--out", out, "--result-file", link) // complete already
		r := lastLine(t, stdout)
		if code != want || r.ExitCode != want || want != exitOK && (r.Status != "failed" || r.Rows != 200 || !strings.Contains(r.Error.Message, link)) {
			t.Errorf("%s: exit %d\n%s%s", device, code, stdout, stderr)
		}
		if target, err := os.Readlink(link); err != nil || target != device {
			t.Errorf("%s: the link leads to %q, %v", device, target, err)
		}
		if info, err := os.Stat(device); err != nil || info.Mode()&fs.ModeCharDevice == 0 {
			t.Errorf("%s is %v, %v", device, info.Mode(), err)
		}
	}
}

func fifo(t *testing.T) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "fifo")
	must(t, syscall.Mkfifo(name, 0o600))
	return name
}

func TestResultFile_APipeIsWrittenForItsReader(t *testing.T) {
	name := fifo(t)
	read := make(chan string)
	go func() { // it opens the pipe before or after the command does
		f, err := os.Open(name)
		if err != nil {
			read <- err.Error()
			return
		}
		defer f.Close()
		text, _ := io.ReadAll(f)
		read <- string(text)
	}()
	if code, _, stderr := call(t, "convert", "/none", "--out", "/none/out", "--result-file", name); code != exitUsage {
		t.Errorf("exit %d: %s", code, stderr)
	}
	if text := <-read; lastLine(t, text).ExitCode != exitUsage {
		t.Errorf("read %q", text)
	}
	if info, err := os.Lstat(name); err != nil || info.Mode()&fs.ModeNamedPipe == 0 {
		t.Errorf("%v, %v", info, err)
	}
}

func TestResultFile_APipeNobodyReadsIsGivenUp(t *testing.T) {
	name := fifo(t)
	synctest.Test(t, func(t *testing.T) {
		_, err := openResultFile(t.Context(), name, nil)
		var refusal *resultFileError
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "nobody") {
			t.Errorf("%v", err)
		}
		stop := errors.New("stop")
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(stop)
		if _, err := openResultFile(ctx, name, nil); !errors.Is(err, stop) {
			t.Errorf("cancelled: %v", err)
		}
	})
}

func TestResultFile_APipeWhoseReaderLeaves(t *testing.T) {
	name := fifo(t)
	reader, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	must(t, err)
	f, err := openResultFile(t.Context(), name, nil)
	must(t, err)
	reader.Close()
	if err := errors.Join(f.write([]byte("{}\n")), f.Close()); err != nil {
		t.Error(err)
	}
}
