package e2e

import (
	"fmt"
	"math/rand/v2"
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
	for i := range r.times(40, 1) {
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
	broken  bool // published files were taken away, so that the run must not go on
	gap     bool // and it is not only the manifest that knows of them
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
		{2, s.run}, {6, s.killed}, {3, s.terminated}, {1, s.loseState}, {1, s.loseData}, {1, s.loseFile}, {1, s.loseAll}, {1, s.refetch},
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
	if e.code >= 0 && e.code != 30 && e.code != 50 { // 30: they are somebody else's; 50: the disk may not have let it
		expectNothingStaged(s.t, s.out)
	}
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

// expectSound holds what is true at every moment: nothing was bought twice, and what is published is the
// beginning of what was bought.
func (s *sequence) expectSound() {
	s.t.Helper()
	l := s.Ledger()
	if len(l.Tasks) > 1 {
		s.t.Fatalf("%d tasks were bought", len(l.Tasks))
	}
	files, err := filepath.Glob(filepath.Join(s.out, "*", "*.parquet"))
	if err != nil || len(files) == 0 || s.gap {
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
	if e.code == 53 && s.broken {
		s.ran(e)
		if s.rng.IntN(4) > 0 {
			s.refetch()
		} else {
			s.loseAll()
		}
		s.say("end")
		e = s.last(s.args)
	}
	if e.code == 44 && s.unclear() {
		s.ran(e)
		s.loseState()
		s.say("end")
		e = s.last(s.args)
	}
	if s.ran(e); e.code == 0 {
		s.judge(e)
		s.account.run(0, "verify", s.out)
	} else if l := s.Ledger(); len(l.Tasks) != 1 || l.Credits() > 60 {
		s.t.Errorf("%d tasks cost %d credits", len(l.Tasks), l.Credits())
	}
	if !s.away {
		return
	}
	s.say("end elsewhere")
	s.broken = false // there nothing was taken away
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
