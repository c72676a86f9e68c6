package sink

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// tortureJob has files with and without rejects, cuts after several row groups and in the middle of one, a short last
// file. Row groups have one or two records, and end before a mark or long before it.
func tortureJob() job {
	return job{total: 23, group: 3, reject: 5, config: func(c *Config) { c.RowGroup = parquet.RowGroupLimits{Rows: 5, Bytes: 1 << 20} }}
}

// attempt runs the job once on a faulty disk and returns the position up to which publication was
// confirmed to the caller.
func attempt(j job, f *storetest.FaultFS, confirmed int64) (int64, error) {
	err := j.run(f, "/out", func(next int64) { confirmed = max(confirmed, next) })
	return confirmed, err
}

// checkCommitted fails unless what is visible is a whole number of files, at least up to confirmed,
// and recovery says the same.
func checkCommitted(t *testing.T, j job, disk *storetest.MemFS, confirmed int64) {
	t.Helper()
	o, err := j.open(disk, "/out")
	if err != nil {
		t.Fatalf("recover: %v", err)
	}
	offset, next := o.Position()
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	if next < confirmed {
		t.Fatalf("recovered %d results, %d were confirmed", next, confirmed)
	}
	if next > 0 && offset != j.offset(next) {
		t.Fatalf("recovered offset %q for %d results", offset, next)
	}
	j.checkPrefix(t, disk, next)
}

// finish runs the job to its end on a sound disk.
func finish(t *testing.T, j job, disk *storetest.MemFS) {
	t.Helper()
	if err := j.run(disk, "/out", nil); err != nil {
		t.Fatalf("run again: %v", err)
	}
	j.checkComplete(t, disk)
}

// Each operation fails once: as an error without effect, as an error after the effect, and by the
// death of the process. The run then has published a prefix, and another start ends it.
func TestFault_AtEveryOperation(t *testing.T) {
	j := tortureJob()
	for _, kind := range []storetest.FaultKind{storetest.FailBefore, storetest.FailAfter, storetest.Die} {
		for _, errno := range []error{syscall.EIO, syscall.ENOSPC, syscall.EROFS} {
			if !errors.Is(errno, syscall.EIO) && kind != storetest.FailBefore {
				continue // the class of an error does not change what it left behind
			}
			t.Run(fmt.Sprintf("%s/%v", kind, errno), func(t *testing.T) {
				operations, step := 0, 1
				if kind == storetest.FailAfter || !errors.Is(errno, syscall.EIO) {
					step = stride(5) // what is left behind is as after another of these faults
				}
				for at := 0; ; at += step {
					disk := storetest.NewMemFS()
					f := &storetest.FaultFS{MemFS: disk, At: at, Kind: kind, Err: errno}
					confirmed, err := attempt(j, f, 0)
					if f.Op == "" {
						break // there are fewer operations
					}
					operations++
					checkFailure(t, f, errno, err)
					if kind != storetest.Die && err != nil {
						checkNothingStaged(t, f, disk)
					}
					disk.Kill()
					checkCommitted(t, j, disk, confirmed)
					finish(t, j, disk)
				}
				if operations*step < 100 {
					t.Fatalf("only %d operations: the loop ended early", operations)
				}
			})
		}
	}
}

// checkFailure: an error names the storage and its class; what is not reported did not matter.
func checkFailure(t *testing.T, f *storetest.FaultFS, errno, err error) {
	t.Helper()
	if f.Kind == storetest.Die || err == nil {
		return
	}
	var s *store.Error
	if !errors.As(err, &s) && !errors.Is(err, ErrLocked) {
		t.Fatalf("%v: %T %v", f, err, err)
	}
	if s == nil {
		return
	}
	full := errors.Is(errno, syscall.ENOSPC)
	readOnly := errors.Is(errno, syscall.EROFS)
	if s.Full != full || s.ReadOnly != readOnly || s.Retryable() == (full || readOnly) {
		t.Fatalf("%v: classed full=%v readOnly=%v retryable=%v: %v", f, s.Full, s.ReadOnly, s.Retryable(), err)
	}
	if !strings.Contains(err.Error(), "/out") {
		t.Fatalf("%v: no path in %q", f, err)
	}
}

// checkNothingStaged: a run that failed and closed leaves no staged file, unless removing it was
// what failed.
func checkNothingStaged(t *testing.T, f *storetest.FaultFS, disk *storetest.MemFS) {
	t.Helper()
	if strings.HasPrefix(f.Op, "remove") || strings.HasPrefix(f.Op, "create") && f.Kind == storetest.FailAfter {
		return
	}
	for name := range disk.Files() {
		if strings.Contains(name, "/staging/") {
			t.Fatalf("%v: left %s", f, name)
		}
	}
}

// The power is cut at a random operation, again and again, until a run passes. Whatever was not
// synced is kept, lost, or either at random; what was confirmed never is. TORTURE=n in the environment
// makes it n times as many seeds.
func TestCrash_ConfirmedFilesSurvive(t *testing.T) {
	seeds, cuts := 300, 0
	if testing.Short() {
		seeds = 30
	}
	if n, err := strconv.Atoi(os.Getenv("TORTURE")); err == nil {
		seeds *= max(n, 1)
		defer func() { fmt.Fprintf(os.Stderr, "torture: %d seeds, %d power cuts\n", 3*seeds, cuts) }()
	}
	j := tortureJob()
	for _, keep := range []float64{0, 0.5, 1} {
		t.Run(fmt.Sprintf("keep %.0f%%", 100*keep), func(t *testing.T) {
			for seed := range seeds {
				rng := rand.New(rand.NewPCG(uint64(seed), uint64(keep*100)))
				disk, confirmed := storetest.NewMemFS(), int64(0)
				var err error
				for starts := 0; ; starts++ {
					f := &storetest.FaultFS{MemFS: disk, At: rng.IntN(260), Kind: storetest.Die}
					confirmed, err = attempt(j, f, confirmed)
					if err == nil && !f.Dead {
						break
					}
					if !f.Dead {
						t.Fatalf("seed %d, start %d: %v", seed, starts, err)
					}
					cuts++
					// Most often the power, sometimes only the process.
					if rng.IntN(4) > 0 {
						disk = disk.Crash(rng, keep)
					} else {
						disk.Kill()
					}
					o, err := j.open(disk, "/out")
					if err != nil {
						t.Fatalf("seed %d, start %d, %v: recover: %v", seed, starts, f, err)
					}
					if _, next := o.Position(); next < confirmed {
						t.Fatalf("seed %d, start %d, %v: recovered %d, confirmed %d", seed, starts, f, next, confirmed)
					} else {
						j.checkPrefix(t, disk, next)
					}
					if err := o.Close(); err != nil {
						t.Fatal(err)
					}
				}
				j.checkComplete(t, disk)
				// A complete run stays complete after another cut: only its last unlink was not synced.
				disk = disk.Crash(rng, keep)
				finish(t, j, disk)
			}
		})
	}
}

// A file system without links publishes by renaming; the same must hold there.
func TestFault_AtEveryOperationWithoutLinks(t *testing.T) {
	j := tortureJob()
	for _, kind := range []storetest.FaultKind{storetest.FailBefore, storetest.FailAfter, storetest.Die} {
		for at := 0; ; at += stride(5) {
			disk := storetest.NewMemFS()
			f := &storetest.FaultFS{MemFS: disk, At: at, Kind: kind, Err: syscall.EIO}
			confirmed := int64(0)
			err := j.run(noLinkFS{f}, "/out", func(next int64) { confirmed = max(confirmed, next) })
			if f.Op == "" {
				if err != nil {
					t.Fatal(err)
				}
				break
			}
			disk.Kill()
			checkCommitted(t, j, disk, confirmed)
			if err := j.run(noLinkFS{disk}, "/out", nil); err != nil {
				t.Fatalf("%v: %v", f, err)
			}
			j.checkComplete(t, disk)
		}
	}
}

type noLinkFS struct{ store.FS }

func (noLinkFS) Link(_, newname string) error {
	return &fs.PathError{Op: "link", Path: newname, Err: syscall.EPERM}
}

type noRenameFS struct{ noLinkFS }

func (noRenameFS) Rename(_, newname string) error {
	return &fs.PathError{Op: "rename", Path: newname, Err: syscall.EINVAL}
}

func TestOpen_RefusesAFileSystemThatCannotPublish(t *testing.T) {
	err := tortureJob().run(noRenameFS{noLinkFS{storetest.NewMemFS()}}, "/out", nil)
	var s *store.Error
	if !errors.As(err, &s) || s.Hint == "" {
		t.Fatalf("got %v", err)
	}
}

// replaceFS renames the way POSIX does.
type replaceFS struct{ *storetest.MemFS }

func (r replaceFS) Link(oldname, newname string) error {
	if err := r.MemFS.Remove(newname); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return r.MemFS.Link(oldname, newname)
}

func TestOpen_RefusesAFileSystemThatReplaces(t *testing.T) {
	err := tortureJob().run(replaceFS{storetest.NewMemFS()}, "/out", nil)
	var s *store.Error
	if !errors.As(err, &s) || !strings.Contains(s.Error(), "replaced") {
		t.Fatalf("got %v", err)
	}
}

// crossFS has a mount point between staging and data.
type crossFS struct{ store.FS }

func (c crossFS) Link(oldname, newname string) error {
	if path.Dir(newname) == testPartition {
		return &fs.PathError{Op: "link", Path: newname, Err: syscall.EXDEV}
	}
	return c.FS.Link(oldname, newname)
}

func TestOpen_RefusesTwoFileSystems(t *testing.T) {
	disk := storetest.NewMemFS()
	err := tortureJob().run(crossFS{disk}, "/out", nil)
	var s *store.Error
	if !errors.As(err, &s) || !strings.Contains(s.Hint, "one file system") {
		t.Fatalf("got %v", err)
	}
	for name := range disk.Files() {
		if strings.HasSuffix(name, ".parquet") || strings.Contains(name, "staging/") {
			t.Fatalf("left %s", name)
		}
	}
}
