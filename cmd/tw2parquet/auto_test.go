package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tw2parquet/source/emulator"
)

// skewed are documents whose hours differ by orders of magnitude: most hours have none, a few have hundreds. Each is in one
// hour of the range; at most 800 are in one hour.
func skewed(rng *rand.Rand, start time.Time, days int) (all []json.RawMessage) {
	for hour := range 24 * days {
		n := 0
		switch rng.IntN(30) {
		case 0:
			n = 200 + rng.IntN(600)
		case 1, 2, 3:
			n = rng.IntN(60)
		}
		for range n {
			at := start.Add(time.Duration(hour)*time.Hour + time.Duration(rng.Int64N(int64(time.Hour/time.Millisecond)))*time.Millisecond)
			all = append(all, json.RawMessage(fmt.Sprintf(`{"url":"https://a/%d","published":%d}`, len(all), at.UnixMilli())))
		}
	}
	return all
}

// Of whatever distribution, no window of auto has more results than 90 % of the limit, or it is one hour; they meet, and what a
// start decided is bought by the retries after it, which count nothing.
func TestExport_AutoIsNeverOverTheCap(t *testing.T) {
	seeds := 8
	if testing.Short() {
		seeds = 1
	}
	for seed := range seeds {
		for name, flags := range map[string]string{"": "", "budget": "--max-credits=%d", "account": "--min-credits-left=1", "parallel": "--parallel=3"} {
			t.Run(fmt.Sprintf("%d %s", seed, name), func(t *testing.T) {
				rng := rand.New(rand.NewPCG(uint64(seed), 7))
				x := newTrial(t, emulator.Config{LimitBatch: 1, ControlEvery: 500, Credits: 1_000_000})
				from := date("2024-01-01")
				documents := skewed(rng, from, 12)
				x.SetDocuments(documents)
				args := []string{"--start=2024-01-01", "--stop=2024-01-13", "--split=auto", "--limit=1000"}
				if strings.Contains(flags, "%d") {
					flags = fmt.Sprintf(flags, 45_000+len(documents))
				}
				args = append(args, strings.Fields(flags)...)
				x.script(fmt.Sprintf(`{"endpoint":"export","nth":%d,"respond":{"code":9}}`, 2+rng.IntN(3)))
				first, r, stderr := x.export(t.Context(), args...)
				if first != exitCredits || r.Histogram == 0 {
					t.Fatalf("exit %d, %d credits to count\n%s", first, r.Histogram, stderr)
				}
				x.script(`{"endpoint":"histogram","respond":{"code":9}}`) // nobody counts any more
				asked := x.histograms()
				if code, _, stderr := x.export(t.Context(), append(args, "--dry-run")...); code != exitOK {
					t.Fatalf("dry run: exit %d\n%s", code, stderr)
				}
				code, r, stderr := x.export(t.Context(), args...)
				if code != exitOK || r.Rows != int64(len(documents)) || x.histograms() != asked {
					t.Fatalf("exit %d, %d rows of %d, counted %d times more\n%s", code, r.Rows, len(documents), x.histograms()-asked, stderr)
				}
				x.checkOnce("2024-01-01", "2024-01-13")
				for _, p := range x.posts() {
					n := int64(0)
					for _, d := range documents {
						var doc struct{ Published int64 }
						if err := json.Unmarshal(d, &doc); err != nil {
							t.Fatal(err)
						}
						if doc.Published >= p.Start && doc.Published < p.Stop {
							n++
						}
					}
					const hour = 3_600_000
					if n >= 900 && p.Stop-p.Start > hour || n > p.Limit || p.Start%hour != 0 {
						t.Errorf("%+v has %d documents", p, n)
					}
				}
				// Files that are gone come back for free, and nothing is counted or bought.
				files, err := filepath.Glob(filepath.Join(x.out, "*", "part-*.parquet"))
				if err != nil || len(files) < len(r.Windows) {
					t.Fatal(len(files), err)
				}
				lost := files[rng.IntN(len(files))]
				if err := os.Remove(lost); err != nil {
					t.Fatal(err)
				}
				credits := x.Ledger().Credits()
				if code, r, stderr := x.export(t.Context(), args...); code != exitForeign || !strings.Contains(stderr, filepath.Base(lost)) {
					t.Errorf("a file is gone: exit %d, %+v\n%s", code, r.Error, stderr)
				}
				code, mended, stderr := x.export(t.Context(), append(args, "--refetch")...)
				if code != exitOK || mended.Rows != r.Rows || x.Ledger().Credits() != credits {
					t.Errorf("refetch: exit %d, %d rows, %d credits more\n%s", code, mended.Rows, x.Ledger().Credits()-credits, stderr)
				}
				if code, _, stderr := x.export(t.Context(), args...); code != exitOK || x.Ledger().Credits() != credits {
					t.Errorf("once more: exit %d, %d credits more\n%s", code, x.Ledger().Credits()-credits, stderr)
				}
			})
		}
	}
}

// --refetch of what was not bought buys nothing and counts nothing, with auto too.
func TestExport_AutoRefetchBuysNothing(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 10, ControlEvery: 500})
	for _, flags := range []string{"--split=auto", "--split=month", "--split=auto --max-credits=5000", "--split=auto --min-credits-left=1"} {
		code, r, stderr := x.export(t.Context(), append(strings.Fields(flags), "--refetch")...)
		if code == exitOK || code == exitBug || x.Ledger().Credits() != 0 || x.Ledger().ExportPosts() != 0 || r.Error.Hint == "" {
			t.Errorf("%s: exit %d, %+v, %d credits\n%s", flags, code, r.Error, x.Ledger().Credits(), stderr)
		}
	}
}

// A budget that refuses after counting says what counting takes on each start, and what would do.
func TestExport_ARefusalSaysWhatCountingTakes(t *testing.T) {
	x := newTrial(t, emulator.Config{DocumentsPerDay: 10, ControlEvery: 500, Credits: 4000})
	for i, flags := range []string{"--split=auto --limit=500 --max-credits=3500", "--max-credits=3939", "--split=auto --limit=500 --min-credits-left=3000"} {
		before := x.Ledger().Credits()
		code, r, stderr := x.export(t.Context(), strings.Fields(flags)...)
		took := x.Ledger().Credits() - before
		if code != exitCredits || took != 10 || x.Ledger().ExportPosts() != 0 || r.Histogram != 10 || !strings.Contains(r.Error.Hint, "counting takes 10 credits on each start") {
			t.Errorf("%d: exit %d, %d credits, %+v\n%s", i, code, took, r.Error, stderr)
		}
	}
	if code, r, _ := x.export(t.Context(), "--max-credits=5"); code != exitCredits || strings.Contains(r.Error.Hint, "counting takes") {
		t.Errorf("nothing was counted: exit %d, %+v", code, r.Error)
	}
}
