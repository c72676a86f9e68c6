package e2e

import (
	"fmt"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Inside a publication there is no request to wait for, so a tracer acts at system calls: in one run at the
// first of a kind, in the next at the second, and so on until a run gets through.

// strike runs the export under a blow.
func (r *trial) strike(b *blow) ended {
	r.t.Helper()
	r.exports++
	p := r.prepare(r.args...)
	begun := make(chan error)
	go func() {
		defer close(p.over)
		p.trace(b, begun)
		p.reap()
	}()
	if err := <-begun; err != nil {
		r.t.Fatalf("a system call cannot be traced here, which these tests need (ptrace): %v", err)
	}
	return p.wait()
}

// eachCall tries something with the first call of a kind, with the next one, and so on, until it gets through
// without; without TORTURE with every stride-th. The quick run tries one,
// of every fourth kind.
func (r *torture) eachCall(t *testing.T, stride int, try func(t *testing.T, n int) (through bool)) {
	if r.quick {
		t.Run(fmt.Sprint(1+stride), func(t *testing.T) { try(t, 1+stride) })
		return
	}
	if r.n > 1 {
		stride = 1
	}
	for n, through := 1, false; !through && !t.Failed(); n += stride {
		t.Run(fmt.Sprint(n), func(t *testing.T) { through = try(t, n) })
	}
}

// killedBySystemCall kills the binary as it enters each of the system calls that publication is made of.
func (r *torture) killedBySystemCall(t *testing.T) {
	t.Parallel()
	table := map[string]struct {
		call   uint64
		stride int                      // without TORTURE; otherwise 1
		least  int                      // there are so many at least
		also   map[uint64]syscall.Errno // what else goes wrong
	}{
		"mkdirat":  {unix.SYS_MKDIRAT, 1, 4, nil},
		"flock":    {unix.SYS_FLOCK, 1, 2, nil},
		"openat":   {unix.SYS_OPENAT, 13, 100, nil},
		"write":    {unix.SYS_WRITE, 5, 20, nil},
		"fchmod":   {unix.SYS_FCHMOD, 1, 9, nil},
		"fsync":    {unix.SYS_FSYNC, 3, 25, nil},
		"linkat":   {unix.SYS_LINKAT, 1, 9, nil},
		"unlinkat": {unix.SYS_UNLINKAT, 1, 9, nil},
		// Where a file system has no links, files are renamed.
		"renameat2": {unix.SYS_RENAMEAT2, 1, 7, map[uint64]syscall.Errno{unix.SYS_LINKAT: syscall.EPERM}},
	}
	for _, name := range some(table, 4) {
		tt := table[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.eachCall(t, tt.stride, func(t *testing.T, n int) bool {
				x := r.trial(t)
				b := &blow{call: tt.call, nth: n, also: tt.also}
				e := x.strike(b)
				through := !b.struck
				if through {
					if e.code != 0 || n <= tt.least {
						t.Fatalf("exit %d without call %d of at least %d\n%s", e.code, n, tt.least, e)
					}
				} else if e.code >= 0 {
					t.Fatalf("it was not killed: exit %d\n%s", e.code, e)
				} else {
					r.kills.Add(1)
				}
				x.finish()
				return through
			})
		})
	}
}

// failedSystemCalls lets system calls fail, one in each run: a full disk, a broken one, no descriptors. Such a
// run either does not mind or ends with a documented code and a message; the next one gets through.
func (r *torture) failedSystemCalls(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		name   string
		call   uint64
		errno  syscall.Errno
		stride int
	}{
		{"mkdirat", unix.SYS_MKDIRAT, syscall.EDQUOT, 1},
		{"openat", unix.SYS_OPENAT, syscall.ENOSPC, 29},
		{"openat", unix.SYS_OPENAT, syscall.EMFILE, 31},
		{"write", unix.SYS_WRITE, syscall.ENOSPC, 7},
		{"fchmod", unix.SYS_FCHMOD, syscall.EIO, 3},
		{"fsync", unix.SYS_FSYNC, syscall.EIO, 5},
		{"close", unix.SYS_CLOSE, syscall.EIO, 31},
		{"flock", unix.SYS_FLOCK, syscall.ENOLCK, 1},
		{"linkat", unix.SYS_LINKAT, syscall.ENOSPC, 2},
		{"unlinkat", unix.SYS_UNLINKAT, syscall.EIO, 3},
	} {
		if r.quick && i%4 != 3 {
			continue
		}
		t.Run(fmt.Sprintf("%s %s", tt.name, unix.ErrnoName(tt.errno)), func(t *testing.T) {
			t.Parallel()
			r.eachCall(t, tt.stride, func(t *testing.T, n int) bool {
				x := r.trial(t)
				b := &blow{call: tt.call, nth: n, errno: tt.errno}
				e := x.strike(b)
				switch e.code {
				case 0, 20, 50:
				default:
					t.Errorf("exit %d\n%s", e.code, e)
				}
				if b.struck {
					r.errors.Add(1)
				}
				x.finish()
				return !b.struck
			})
		})
	}
}

// stoppedBySystemCall asks the binary to end as it enters one of the system calls that publication is made of. It
// ends in order, leaves nothing half done, and goes on with the next start.
func (r *torture) stoppedBySystemCall(t *testing.T) {
	t.Parallel()
	table := map[string]struct {
		call   uint64
		stride int
	}{
		"write":    {unix.SYS_WRITE, 11},
		"fsync":    {unix.SYS_FSYNC, 7},
		"linkat":   {unix.SYS_LINKAT, 2},
		"unlinkat": {unix.SYS_UNLINKAT, 3},
	}
	for _, name := range some(table, 4) {
		tt := table[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.eachCall(t, tt.stride, func(t *testing.T, n int) bool {
				x := r.trial(t)
				b := &blow{call: tt.call, nth: n, signal: syscall.SIGTERM}
				e := x.strike(b)
				if e.code != 143 && e.code != 0 { // 0: there was nothing left to do
					t.Errorf("exit %d\n%s", e.code, e)
				}
				expectNothingStaged(t, x.out)
				if b.struck {
					r.stops.Add(1)
				}
				x.finish()
				return !b.struck
			})
		})
	}
}

// failing runs the export on a disk that is full from some write on.
func (s *sequence) failing() ended {
	return s.strike(&blow{call: unix.SYS_WRITE, nth: 5 + s.rng.IntN(30), errno: syscall.ENOSPC})
}
