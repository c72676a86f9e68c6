package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// These are the things that happen to a sequence.

func (s *sequence) run() {
	s.t.Helper()
	s.say("run")
	s.ran(s.start().wait())
}

// atSomeMoment does something at a request of the run that follows: before it is answered, within the answer,
// or after; or after some time.
func (s *sequence) atSomeMoment(do func()) {
	nth, how := 1+s.rng.IntN(10), s.rng.IntN(5)
	s.say("at request %d, %s", nth, []string{"lost", "late", "unanswered", "within the answer", "within the results"}[how])
	share := s.rng.Float64()
	do = sync.OnceFunc(do) // a second signal would have another meaning
	s.set(func(v *visit) {
		if how == 4 && !v.results() || how < 4 && v.number != nth {
			v.pass()
			return
		}
		switch how {
		case 0:
			do()
		case 1:
			do()
			v.answer()
		case 2:
			v.answer()
			do()
		default:
			kept := v.answer()
			v.begin(kept, int(share*float64(kept.Body.Len())))
			do()
		}
		v.hang()
	})
}

func (s *sequence) killed() {
	s.t.Helper()
	if s.rng.IntN(4) == 0 {
		after := time.Duration(s.rng.IntN(150)) * time.Millisecond
		s.say("kill after %s", after)
		p := s.start()
		pause(s.t.Context(), after)
		p.kill()
		s.ran(p.wait(), -1)
	} else {
		s.atSomeMoment(s.kill)
		p := s.start()
		s.ran(p.wait(), -1)
		s.set(nil)
	}
	s.r.kills.Add(1)
}

// terminated: SIGTERM ends a run with 143 within 20 seconds, wherever it is. Before the binary listens to
// signals it simply dies of it.
func (s *sequence) terminated() {
	s.t.Helper()
	told := make(chan time.Time, 1)
	s.atSomeMoment(func() {
		s.signal()
		select {
		case told <- time.Now():
		default:
		}
	})
	s.story[len(s.story)-1] += ", TERM"
	p := s.start()
	e := p.wait()
	s.set(nil)
	select {
	case at := <-told:
		if took := time.Since(at); took > 20*time.Second {
			s.t.Errorf("it took %s to end", took)
		}
	default:
	}
	// A request that is torn while the signal comes may end the run first.
	s.ran(e, -1, 143, 20, 21, 44)
}

// loseState leaves files without the records of their run. A complete one is then like any other.
func (s *sequence) loseState() {
	s.say("lose the state")
	s.lose("_tw2parquet")
	s.broken = s.gap
}

// loseData leaves the records of a run whose files are gone. A complete one is then broken; another one
// begins again.
func (s *sequence) loseData() {
	s.say("lose the data")
	s.broken, s.gap = s.complete(), false
	s.lose("window_start=2024-01-01")
}

// loseFile takes one file away. A run is then broken, unless it is not complete and the file was its last.
func (s *sequence) loseFile() {
	files, err := filepath.Glob(filepath.Join(s.out, "*", "*.parquet"))
	if err != nil || len(files) == 0 {
		return
	}
	n := s.rng.IntN(len(files))
	s.say("lose file %d of %d", n, len(files))
	s.gap = s.gap || n < len(files)-1
	s.broken = s.broken || s.gap || s.complete()
	s.lose(strings.TrimPrefix(files[n], s.out))
}

// refetch is how damage is repaired.
func (s *sequence) refetch() {
	s.t.Helper()
	s.say("refetch")
	if len(s.Ledger().Tasks) == 0 {
		return // nothing was bought, and this buys nothing
	}
	s.exports++
	e := s.launch(s.into(s.out, "--refetch")...).wait()
	if e.code == 0 {
		s.broken, s.gap = false, false
	}
	s.ran(e)
}

func (s *sequence) loseAll() {
	s.say("lose everything")
	s.lose("")
	s.broken, s.gap = false, false
}

func (s *sequence) lose(what string) {
	s.watcher.away(func() {
		if err := os.RemoveAll(filepath.Join(s.out, what)); err != nil {
			s.t.Error(err)
		}
	})
}

func (s *sequence) expire() {
	s.say("expire")
	s.Advance(8 * 24 * time.Hour)
	s.expired = s.expired || len(s.Ledger().Tasks) > 0
}

// secondRunner starts another run while one is under way.
func (s *sequence) secondRunner() {
	s.t.Helper()
	s.say("second runner")
	arrived, goOn := make(chan struct{}), make(chan struct{})
	s.set(func(v *visit) {
		if v.number == 1 {
			close(arrived)
			<-goOn
		}
		v.pass()
	})
	first := s.start()
	select {
	case <-arrived:
	case <-first.over: // it had nothing to ask
		s.set(nil)
		s.ran(first.wait())
		return
	}
	e := s.start().wait()
	if e.code != 30 || s.passed() != 1 {
		s.t.Errorf("the second runner ended with %d after %d calls\n%s", e.code, s.passed(), e)
	}
	close(goOn)
	s.ran(first.wait())
	s.set(nil)
}

// runnerElsewhere reads what was bought into another output, at the same time. Before anything is bought two
// runners that share nothing could buy twice; races are about that.
func (s *sequence) runnerElsewhere() {
	s.t.Helper()
	s.say("runner elsewhere")
	if len(s.Ledger().Tasks) == 0 {
		s.ran(s.start().wait())
		return
	}
	s.away = true
	p := s.start()
	s.exports++
	q := s.launch(s.into(s.other)...)
	s.ran(p.wait(), 30)
	if e := q.wait(); e.code != 0 && e.code != 30 && (e.code != 43 || !s.expired) {
		s.t.Errorf("elsewhere: exit %d\n%s", e.code, e)
	}
}

// faults are rules that apply to one run. None of them loses what was bought.
var faults = []string{
	`{"endpoint":"results","nth":1,"cut":{"at":%d,"how":"close"}}`,
	`{"endpoint":"results","from":1,"to":3,"cut":{"at":%d,"how":"reset"}}`,
	`{"endpoint":"results","nth":1,"cut":{"at":%d,"how":"end"}}`,
	`{"endpoint":"results","nth":1,"cut":{"at":%d,"how":"chunk"}}`,
	`{"endpoint":"results","cut":{"at":%d,"how":"close"}}`,
	`{"endpoint":"results","nth":1,"no_final":true}`,
	`{"endpoint":"results","nth":1,"error":{"at":7,"code":25}}`,
	`{"endpoint":"results","nth":1,"error":{"at":31,"code":0,"message":"something"}}`,
	`{"endpoint":"results","nth":1,"error":{"at":40,"code":24}}`,
	`{"endpoint":"results","nth":1,"stall":{"at":%d,"for":"30ms"}}`,
	`{"endpoint":"results","nth":1,"gzip":"truncated"}`,
	`{"endpoint":"results","from":1,"to":2,"respond":{"http":502,"body":"<html>"}}`,
	`{"endpoint":"results","nth":1,"respond":{"code":30}}`,
	`{"endpoint":"export","nth":1,"drop":"after"}`,
	`{"endpoint":"export","nth":1,"drop":"before"}`,
	`{"endpoint":"export","nth":1,"respond":{"http":504,"body":"time-out","after":true}}`,
	`{"endpoint":"export","nth":1,"respond":{"http":200,"body":"{}","after":true}}`,
	`{"endpoint":"export","nth":1,"respond":{"code":30}}`,
	`{"endpoint":"export","nth":1,"hide":"50ms","drop":"after"}`,
	`{"endpoint":"task","from":1,"to":2,"respond":{"code":1}}`,
	`{"endpoint":"tasks","nth":1,"respond":{"code":8}}`,
	`{"endpoint":"tasks","from":2,"drop":"after"}`,
	`{"endpoint":"collector_put","nth":1,"drop":"before"}`,
	`{"endpoint":"collector_put","nth":1,"drop":"after"}`,
	`{"endpoint":"*","every":4,"respond":{"http":503,"body":"maintenance"}}`,
	`{"endpoint":"*","from":3,"garbage":"nonsense"}`,
}

func (s *sequence) serverFault() {
	s.t.Helper()
	rule := faults[s.rng.IntN(len(faults))]
	if strings.Contains(rule, "%d") {
		rule = fmt.Sprintf(rule, s.rng.IntN(190_000))
	}
	s.say("%s", rule)
	s.script(rule)
	s.ran(s.start().wait(), 20, 21, 30, 44)
	s.SetFaults(nil)
}

// diskFull leaves no room, or that for a few files.
func (s *sequence) diskFull() {
	s.t.Helper()
	if s.disk == "" {
		s.say("a disk that fails")
		s.ran(s.failing(), 20, 50, 44)
		return
	}
	room := s.rng.IntN(300 << 10)
	s.say("full disk but %d bytes", room)
	ballast := filepath.Join(s.disk, "ballast")
	if err := fill(s.disk, ballast, int64(room)); err != nil {
		s.t.Fatal(err)
	}
	s.ran(s.start().wait(), 50)
	if err := os.Remove(ballast); err != nil {
		s.t.Fatal(err)
	}
}
