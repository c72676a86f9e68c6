package iceberg

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	lib "github.com/apache/iceberg-go"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/sink"
	"tw2parquet/sink/store"
	"tw2parquet/sink/table"
)

func TestRegister_AddsEachRunOnce(t *testing.T) {
	for kind, open := range outputs {
		t.Run(kind, func(t *testing.T) {
			l := open(t)
			l.write(1, 3)
			l.write(2, 0) // without rows
			if got := l.expect("first", nil, table.Added, table.Added); got[0].Rows != 6 || got[0].Version != got[1].Version {
				t.Errorf("%+v", got)
			}
			l.expectOnce("first")
			l.write(3, 2)
			l.expect("second", nil, table.Known, table.Known, table.Added)
			l.expectOnce("second")
			counting := &failing{}
			l.expect("third", fails(counting), table.Known, table.Known, table.Known)
			if counting.calls != 0 {
				t.Errorf("nothing is new, and %q were written", counting.names)
			}
			if d := l.listed(); len(d.Strays) != 0 || len(d.Trouble) != 0 {
				t.Errorf("%v %v", d.Strays, d.Trouble)
			}
			if got := table.Iceberg(l.listed().Run(runID(1))); len(got) != 1 || got[0] != "docs.talkwalker" {
				t.Errorf("the records name %q", got)
			}
		})
	}
}

// Death before and after every step, and every answer lost: the next start ends with every file once.
func TestRegister_OnceWhateverDies(t *testing.T) {
	for kind, open := range outputs {
		for _, how := range []string{"before", "after", "lost"} {
			if testing.Short() && (kind == "bucket") != (how == "after") {
				continue // left to the full run
			}
			t.Run(kind+" "+how, func(t *testing.T) {
				for at := 1; ; at++ {
					l := open(t)
					l.write(1, 2)
					l.write(2, 2)
					f := &failing{at: at, how: how}
					_, err := l.register(fails(f))
					if f.calls < at {
						if err != nil || at < 10 {
							t.Errorf("%q: %v", f.names, err)
						}
						return
					}
					what := fmt.Sprintf("after call %d (%s)", at, f.names[at-1])
					if err == nil && how != "lost" {
						t.Errorf("%s nobody heard of the failure", what)
					}
					if _, err := l.register(nil); err != nil {
						t.Errorf("%s: %v", what, err)
					}
					l.expectOnce(what)
					l.expect(what, nil, table.Known, table.Known)
				}
			})
		}
	}
}

func TestRegister_SeveralRegistrars(t *testing.T) {
	for kind, open := range outputs {
		t.Run(kind, func(t *testing.T) {
			l := open(t)
			for n := range 5 {
				l.write(n+1, 1)
			}
			var group sync.WaitGroup
			for n := range 3 {
				group.Go(func() {
					tab, err := Open(context.Background(), l.cfg)
					if err != nil {
						t.Error(err)
						return
					}
					defer tab.Close()
					runs := l.listed().Runs
					for i := range runs { // each in an order of its own, one by one
						if _, err := tab.Register(context.Background(), runs[(i+n)%len(runs):][:1]); err != nil && !errors.Is(err, sink.ErrLocked) {
							t.Error(err)
						}
					}
				})
			}
			group.Wait()
			if _, err := l.register(nil); err != nil {
				t.Error(err)
			}
			l.expectOnce("after the race")
		})
	}
}

// Another writer commits between the look and the commit.
func TestRegister_LooksAgainAfterAConflict(t *testing.T) {
	l := outputs["disk"](t)
	l.write(1, 1)
	l.write(2, 1)
	times := 0
	interfere := func(c *Config) {
		put := c.Put
		c.Put = func(ctx context.Context, s store.Store, name string, data []byte) error {
			if times++; times == 3 { // the manifest of the commit
				if _, err := l.register(nil); err != nil {
					t.Error(err)
				}
			}
			return put(ctx, s, name, data)
		}
	}
	l.expect("overtaken", interfere, table.Found, table.Found)
	l.expectOnce("overtaken")
	l.write(3, 1)
	times = 0
	l.expect("overtaken by a stranger", func(c *Config) {
		put := c.Put
		c.Put = func(ctx context.Context, s store.Store, name string, data []byte) error {
			if times++; times == 1 {
				l.change(func(_ context.Context, _ *icebergtable.Table, txn *icebergtable.Transaction) error {
					return txn.SetProperties(lib.Properties{"owner": "somebody"})
				})
			}
			return put(ctx, s, name, data)
		}
	}, table.Known, table.Known, table.Added)
	l.expectOnce("overtaken by a stranger")
}
