package e2e

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// sequences does random things to exports, one after the other, and compares what is left with a model: the
// ledger, the results that the collector got, and a few facts about what was done. Its seed and its number
// make a sequence again, as far as two processes are ever the same twice.
func (r *torture) sequences(t *testing.T) {
	t.Parallel()
	for i := range 40 * r.n {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			s := r.sequence(t, rand.New(rand.NewPCG(r.seed, uint64(i))))
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("TORTURE_SEED=%d, sequence %d: %s", r.seed, i, strings.Join(s.story, "; "))
				}
			})
			for range 3 + s.rng.IntN(8) {
				s.step()
				s.expectSound()
				r.steps.Add(1)
			}
			s.end()
			r.sequencesDone.Add(1)
		})
	}
}

// sequence is a trial that random things happen to.
type sequence struct {
	*trial
	r     *torture
	rng   *rand.Rand
	disk  string // a small file system of its own, or ""
	other string // another output, which shares nothing with the first
	story []string

	expired bool // results were lost to time
	broken  bool // published files of a complete run were taken away
	away    bool // the other output was written to
}

func (r *torture) sequence(t *testing.T, rng *rand.Rand) *sequence {
	t.Helper()
	pick := func(list ...int) int { return list[rng.IntN(len(list))] }
	cfg := tried()
	cfg.ControlEvery, cfg.LimitBatch, cfg.MaxPerRead = pick(0, 1, 5, 5, 5), pick(1, 10, 100), pick(0, 0, 0, 25)
	cfg.TaskDuration = time.Duration(pick(0, 0, 50)) * time.Millisecond
	cfg.ExpiredOffsets = []string{"reject", "skip"}[rng.IntN(2)]
	cfg.KeepOnPut = rng.IntN(2) == 0
	s := &sequence{trial: r.trialWith(t, cfg), r: r, rng: rng, other: filepath.Join(t.TempDir(), "lake")}
	if s.disk = smallDisk(t); s.disk != "" {
		s.out = filepath.Join(s.disk, "lake")
		s.args, s.watcher = s.into(s.out), r.watch(t, s.out)
	}
	r.watch(t, s.other)
	s.say("%+v", []any{cfg.ControlEvery, cfg.LimitBatch, cfg.MaxPerRead, cfg.TaskDuration, cfg.ExpiredOffsets, cfg.KeepOnPut})
	return s
}

func (s *sequence) say(format string, args ...any) {
	s.story = append(s.story, fmt.Sprintf(format, args...))
}

// step does one thing.
func (s *sequence) step() {
	s.t.Helper()
	things := []struct {
		weight int
		do     func()
	}{
		{2, s.run}, {6, s.killed}, {3, s.terminated}, {1, s.loseState}, {1, s.loseData}, {1, s.loseAll},
		{2, s.diskFull}, {1, s.expire}, {2, s.secondRunner}, {2, s.runnerElsewhere}, {4, s.serverFault},
	}
	total := 0
	for _, thing := range things {
		total += thing.weight
	}
	n := s.rng.IntN(total)
	for _, thing := range things {
		if n -= thing.weight; n < 0 {
			thing.do()
			return
		}
	}
}

// ran judges the end of a run: code must be 0, one of the others, or what the model allows at any time.
func (s *sequence) ran(e ended, others ...int) {
	s.t.Helper()
	s.story[len(s.story)-1] += fmt.Sprintf(" → %d", e.code)
	switch {
	case e.code == 0 && !s.broken, slices.Contains(others, e.code), e.code == 43 && s.expired, e.code == 53 && s.broken, e.code == 44 && s.unclear():
		return
	}
	s.t.Fatalf("exit %d, want 0 or one of %v (expired: %v, broken: %v, unclear: %v)\n%s", e.code, others, s.expired, s.broken, s.unclear(), e)
}

// unclear tells whether two POSTs may have been sent that made no task: then a person is asked.
func (s *sequence) unclear() bool {
	intents, _ := filepath.Glob(filepath.Join(s.out, "_tw2parquet", "*", "intent-*.json"))
	return len(slices.DeleteFunc(intents, func(name string) bool { return strings.HasSuffix(name, "-outcome.json") })) >= 2
}

func (s *sequence) complete() bool {
	manifests, _ := filepath.Glob(filepath.Join(s.out, "_tw2parquet", "*", "manifest.json"))
	return len(manifests) > 0
}

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

func (s *sequence) loseState() {
	s.say("lose the state")
	s.lose("_tw2parquet")
	s.broken = false
}

// loseData leaves the records of a run whose files are gone. A complete one is then broken; another one
// begins again.
func (s *sequence) loseData() {
	s.say("lose the data")
	s.broken = s.broken || s.complete()
	s.lose("window_start=2024-01-01")
}

func (s *sequence) loseAll() {
	s.say("lose everything")
	s.lose("")
	s.broken = false
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
	if e.code != 30 || e.result.Seconds >= 1 || s.passed() != 1 {
		s.t.Errorf("the second runner ended with %d after %g s, after %d calls\n%s", e.code, e.result.Seconds, s.passed(), e)
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

// expectSound holds what is true at every moment: nothing was bought twice, and what is published is the
// beginning of what was bought.
func (s *sequence) expectSound() {
	s.t.Helper()
	l := s.Ledger()
	if len(l.Tasks) > 1 {
		s.t.Fatalf("%d tasks were bought", len(l.Tasks))
	}
	files, err := filepath.Glob(filepath.Join(s.out, "*", "*.parquet"))
	if err != nil || len(files) == 0 {
		return
	}
	rows := lake(s.t, s.out, "SELECT count(*), coalesce(min(_ordinal), 0), coalesce(max(_ordinal), -1) + 1, count(DISTINCT _ordinal) FROM lake")[0]
	if rows[1] != "0" || rows[0] != rows[2] || rows[0] != rows[3] {
		s.t.Fatalf("published are %s rows with ordinals from %s to below %s, %s of them different", rows[0], rows[1], rows[2], rows[3])
	}
}

// end brings the sequence to its end, with a person's help where one is asked for.
func (s *sequence) end() {
	s.t.Helper()
	s.say("end")
	e := s.last(s.args)
	if e.code == 53 && s.broken || e.code == 44 && s.unclear() {
		s.loseState()
		s.say("end")
		e = s.last(s.args)
	}
	if s.ran(e); e.code == 0 {
		s.judge(e)
	} else if l := s.Ledger(); len(l.Tasks) != 1 || l.Credits() > 60 {
		s.t.Errorf("%d tasks cost %d credits", len(l.Tasks), l.Credits())
	}
	if !s.away {
		return
	}
	s.say("end elsewhere")
	e = s.last(s.into(s.other))
	if s.ran(e); e.code == 0 {
		s.expectDelivered(e, s.other)
		s.expectTidy(s.other, e)
	}
	if l := s.Ledger(); len(l.Tasks) != 1 || l.Credits() != 60 {
		s.t.Errorf("%d tasks cost %d credits", len(l.Tasks), l.Credits())
	}
}

// last runs an export for as long as running again helps.
func (s *sequence) last(args []string) ended {
	s.t.Helper()
	var e ended
	for range restarts {
		s.exports++
		if e = s.launch(args...).wait(); e.code == 0 || !e.result.Error.Retryable || e.code == 44 {
			break
		}
	}
	return e
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
