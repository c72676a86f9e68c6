package e2e

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// blow is what happens to one system call of a process: the nth of its kind, counted over all threads.
// (strace counts per thread, and a Go program changes threads at every slow call.)
type blow struct {
	call   uint64
	nth    int
	errno  syscall.Errno  // the call is not made and returns this
	signal syscall.Signal // or this is sent as the process enters the call; 0: SIGKILL

	// also are calls that always fail.
	also map[uint64]syscall.Errno

	struck bool // it happened; to be read when the process is over
}

// trace starts p and strikes b. It returns when the process is over; an error says that nothing can be traced
// here. The caller runs it on a goroutine of its own, whose thread is the tracer.
func (p *started) trace(b *blow, begun chan<- error) {
	// Never unlocked: the thread ends with the goroutine, and lets go of whatever it traces.
	runtime.LockOSThread()
	// A group of its own: see wait.
	p.SysProcAttr = &syscall.SysProcAttr{Ptrace: true, Setpgid: true}
	if err := p.Start(); err != nil {
		begun <- err
		return
	}
	t := &tracer{pid: p.Process.Pid, blow: b, inside: map[int]bool{}, failing: map[int]syscall.Errno{}}
	if err := t.attach(); err != nil {
		_ = p.Process.Kill()
		begun <- err
		return
	}
	begun <- nil
	t.run()
	p.traced = &t.status
}

// tracer follows the threads of one process.
type tracer struct {
	pid     int
	blow    *blow
	seen    int                   // calls of the blow's kind
	inside  map[int]bool          // threads within a system call; a key is a thread that was seen
	failing map[int]syscall.Errno // calls that were not made
	status  syscall.WaitStatus
}

// attach takes the process over as it stands before its first instruction.
func (t *tracer) attach() error {
	var ws syscall.WaitStatus
	if _, err := wait(t.pid, &ws); err != nil {
		return err
	}
	if !ws.Stopped() {
		return errors.New("the process did not stop for its tracer")
	}
	t.inside[t.pid] = false
	if err := syscall.PtraceSetOptions(t.pid, unix.PTRACE_O_TRACESYSGOOD|unix.PTRACE_O_TRACECLONE|unix.PTRACE_O_EXITKILL); err != nil {
		return err
	}
	return syscall.PtraceSyscall(t.pid, 0)
}

// wait waits for a child of this thread, and is given one process, or a group as -pid. Never any child: before
// this thread became a tracer it may have started the processes of other tests, who wait for them.
func wait(pid int, ws *syscall.WaitStatus) (int, error) {
	for {
		tid, err := syscall.Wait4(pid, ws, unix.WALL|unix.WNOTHREAD, nil)
		if !errors.Is(err, syscall.EINTR) {
			return tid, err
		}
	}
}

func (t *tracer) run() {
	for {
		var ws syscall.WaitStatus
		tid, err := wait(-t.pid, &ws)
		if err != nil {
			return // no threads are left
		}
		if !ws.Stopped() {
			if tid == t.pid {
				t.status = ws
			}
			continue
		}
		_, known := t.inside[tid]
		signal := ws.StopSignal()
		switch {
		case signal == syscall.SIGTRAP|0x80:
			t.step(tid)
			signal = 0
		case signal == syscall.SIGTRAP, !known && signal == syscall.SIGSTOP: // a new thread's birth, told twice
			signal = 0
		}
		if !known {
			t.inside[tid] = false
		}
		_ = syscall.PtraceSyscall(tid, int(signal)) // it may have been killed meanwhile
	}
}

// step handles the beginning and the end of a system call.
func (t *tracer) step(tid int) {
	t.inside[tid] = !t.inside[tid]
	var regs syscall.PtraceRegs
	if syscall.PtraceGetRegs(tid, &regs) != nil {
		return // killed meanwhile
	}
	if !t.inside[tid] {
		if errno := t.failing[tid]; errno != 0 {
			delete(t.failing, tid)
			regs.Rax = uint64(-int64(errno))
			_ = syscall.PtraceSetRegs(tid, &regs)
		}
		return
	}
	if regs.Orig_rax == unix.SYS_WRITE && wakes(t.pid, regs.Rdi) {
		return
	}
	errno := t.blow.also[regs.Orig_rax]
	if regs.Orig_rax == t.blow.call {
		if t.seen++; t.seen == t.blow.nth {
			t.blow.struck = true
			if errno = t.blow.errno; errno == 0 {
				_ = syscall.Kill(t.pid, cmp.Or(t.blow.signal, syscall.SIGKILL))
				return
			}
		}
	}
	if errno != 0 {
		t.failing[tid] = errno
		regs.Orig_rax = ^uint64(0) // no such call: nothing is done
		_ = syscall.PtraceSetRegs(tid, &regs)
	}
}

// wakes tells whether a descriptor is the one that the Go runtime wakes its own poller with: no disk can fail it.
func wakes(pid int, fd uint64) bool {
	to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", pid, fd))
	return strings.HasPrefix(to, "anon_inode:")
}
