package sink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"tw2parquet/sink/store"
	"tw2parquet/sink/store/storetest"
)

// mendJob is tortureJob with 1 to 3 row groups for each file, and what a caller with --refetch does.
func mendJob() job {
	j := tortureJob()
	torture := j.config
	j.config = func(c *Config) {
		torture(c)
		c.Refetch = true
	}
	return j
}

// mend opens the run, fills every hole and ends it, as the pipeline would.
func (j job) mend(fsys store.FS) error {
	s, err := store.OpenLocal(store.LocalConfig{Root: "/out", FS: fsys})
	if err != nil {
		return err
	}
	return j.mendOn(s)
}

func (j job) mendOn(s store.Store) (err error) {
	ctx := context.Background()
	o, err := j.openOn(s)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := o.Close(); err == nil {
			err = cerr
		}
	}()
	old, err := o.Manifest()
	if err != nil {
		return err
	}
	if old != nil && o.Damage() == nil {
		return nil
	}
	o.SetMeta("task_id", "task")
	if err := o.Mend(); err != nil {
		return err
	}
	for {
		g, ok := o.Gap()
		if !ok {
			break
		}
		if err := j.stretchTo(o, g.Next); err != nil {
			return err
		}
		if err := o.Finish(ctx, j.offset(g.Next), g.Next, map[string]string{"drift": fmt.Sprint(g.Next)}); err != nil {
			return err
		}
	}
	if err := j.stretchTo(o, j.total); err != nil {
		return err
	}
	if err := o.Finish(ctx, j.offset(j.total), j.total, map[string]string{"drift": fmt.Sprint(j.total)}); err != nil {
		return err
	}
	return o.Complete(ctx, []byte(`{"task":"task"}`))
}

// stretchTo appends results up to but not including end, with marks on the way.
func (j job) stretchTo(o *Output, end int64) error {
	for _, next := o.Position(); next < end; {
		first := next
		next = min(end, (first/j.group+1)*j.group)
		if err := j.feed(o, first, next); err != nil {
			return err
		}
		if _, err := o.Mark(context.Background(), j.offset(next), next, map[string]string{"drift": fmt.Sprint(next)}); err != nil {
			return err
		}
	}
	return nil
}

// wreck damages a complete run's disk: each file may be gone, cut, or flipped; its rejects too.
func wreck(t *testing.T, disk *storetest.MemFS, rng *rand.Rand, manifest bool) (hurt int) {
	t.Helper()
	for _, name := range sortedNames(disk) {
		data := disk.Files()[name]
		mayHurt := strings.HasSuffix(name, ".parquet") || strings.Contains(name, "/rejects-")
		if !mayHurt || rng.IntN(3) > 0 {
			continue
		}
		switch hurt++; rng.IntN(3) {
		case 0:
			if err := disk.Remove(name); err != nil {
				t.Fatal(err)
			}
		case 1:
			disk.Plant(t, name, bytes.Clone(data[:rng.IntN(len(data))]))
		case 2:
			if !manifest && !strings.HasSuffix(name, ".parquet") {
				disk.Plant(t, name, nil) // nothing holds the sum of rejects but the manifest
				if err := disk.Remove(name); err != nil {
					t.Fatal(err)
				}
				continue
			}
			data = bytes.Clone(data)
			data[rng.IntN(len(data))] ^= 1 << rng.IntN(8)
			disk.Plant(t, name, data)
		}
	}
	return hurt
}

func sortedNames(disk *storetest.MemFS) []string {
	var names []string
	for name := range disk.Files() {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func TestMend_AnyDamage(t *testing.T) {
	j := mendJob()
	for seed := 0; seed < 300; seed += stride(6) {
		rng := rand.New(rand.NewPCG(uint64(seed), 5))
		disk := storetest.NewMemFS()
		finish(t, tortureJob(), disk)
		sound := disk.Files()
		hurt := wreck(t, disk, rng, true)
		// Sound files are not touched, and neither is anything without being asked.
		before := disk.Files()
		o, err := tortureJob().open(disk, "/out")
		if err == nil {
			err = o.Close()
		} else if damage := (*DamageError)(nil); !errors.As(err, &damage) || !errors.Is(err, ErrForeign) {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err != nil && !sameFiles(before, disk.Files()) {
			t.Fatalf("seed %d: touched without being asked", seed)
		}
		if err := j.mend(disk); err != nil {
			t.Fatalf("seed %d, %d damaged: %v", seed, hurt, err)
		}
		j.checkComplete(t, disk)
		for name, data := range disk.Files() {
			if bytes.Equal(before[name], sound[name]) && strings.HasSuffix(name, ".parquet") && before[name] != nil && !bytes.Equal(data, sound[name]) &&
				!rejectsHurt(name, before, sound) {
				t.Fatalf("seed %d: the sound %s was changed", seed, name)
			}
		}
	}
}

// rejectsHurt tells whether the rejects beside a data file were damaged: then both are written again.
func rejectsHurt(name string, before, sound map[string][]byte) bool {
	seq, _, _ := layout{run: testRun}.partOf(path.Base(name))
	for name := range sound {
		if strings.Contains(name, fmt.Sprintf("/rejects-%05d-", seq)) && !bytes.Equal(before[name], sound[name]) {
			return true
		}
	}
	return false
}

func sameFiles(a, b map[string][]byte) bool {
	if len(a) != len(b) {
		return false
	}
	for name, data := range a {
		if other, ok := b[name]; !ok || !bytes.Equal(data, other) {
			return false
		}
	}
	return true
}

// Mending is killed, or loses its power, at every operation and any number of times: in the end the run
// is complete, a start in between without being asked never takes it for that, and the manifest is there
// all the time.
func TestMend_SurvivesDeathAnywhere(t *testing.T) {
	j := mendJob()
	step := stride(7)
	for i, c := range []struct {
		name     string
		manifest bool
		keep     float64
	}{{"killed", true, 1}, {"power cut, nothing kept", true, 0}, {"power cut, half kept", true, 0.5}, {"killed, no manifest", false, 1}, {"power cut, no manifest", false, 0.5}} {
		t.Run(c.name, func(t *testing.T) {
			operations := 0
			for at := i % step; ; at += step {
				rng := rand.New(rand.NewPCG(uint64(at), 11))
				disk := storetest.NewMemFS()
				finish(t, tortureJob(), disk)
				disk = disk.Crash(rng, 1)
				damageSome(t, disk, c.manifest)
				disk = disk.Crash(rng, 1) // all of that is durable
				f := &storetest.FaultFS{MemFS: disk, At: at, Kind: storetest.Die}
				err := j.mend(f)
				if f.Op == "" {
					if err != nil {
						t.Fatal(err)
					}
					break
				}
				operations++
				for again := 0; err != nil || f.Dead; again++ {
					if c.keep < 1 {
						disk = disk.Crash(rng, c.keep)
					} else {
						disk.Kill()
					}
					j.checkHalfMended(t, disk, c.manifest, f)
					f = &storetest.FaultFS{MemFS: disk, At: at + rng.IntN(60), Kind: storetest.Die}
					if again > 3 {
						f.At = -1
					}
					err = j.mend(f)
					if err != nil && !f.Dead {
						t.Fatalf("at %d: %v", at, err)
					}
				}
				j.checkComplete(t, disk)
				if err := tortureJob().run(disk, "/out", nil); err != nil {
					t.Fatalf("at %d: run again: %v", at, err)
				}
			}
			if operations*step < 80 {
				t.Fatalf("only %d operations: the loop ended early", operations)
			}
		})
	}
}

// damageSome takes the first file, flips the second, cuts the last, and takes rejects of the third.
func damageSome(t *testing.T, disk *storetest.MemFS, manifest bool) {
	t.Helper()
	all := disk.Files()
	flipped := bytes.Clone(all[partName(testRun, 1)])
	flipped[30] ^= 1
	last := 0
	for all[partName(testRun, last+1)] != nil {
		last++
	}
	if err := disk.Remove(partName(testRun, 0)); err != nil {
		t.Fatal(err)
	}
	disk.Plant(t, partName(testRun, 1), flipped)
	disk.Plant(t, partName(testRun, last), all[partName(testRun, last)][:40])
	if !manifest {
		if err := disk.Remove(store.StateDir + "/" + testRun + "/manifest.json"); err != nil {
			t.Fatal(err)
		}
	}
}

// checkHalfMended: what is visible is whole but for what was damaged before, no result is there twice,
// and a manifest that was there is there.
func (j job) checkHalfMended(t *testing.T, disk *storetest.MemFS, manifest bool, f *storetest.FaultFS) {
	t.Helper()
	all := disk.Files()
	seen := map[int64]bool{}
	for name, data := range all {
		if !strings.HasSuffix(name, ".parquet") || replaced(name, all) {
			continue
		}
		ordinals, err := readOrdinals(data)
		if err != nil {
			continue // damaged before, and not replaced yet
		}
		for _, n := range ordinals {
			if seen[n] {
				t.Fatalf("%v: result %d is there twice", f, n)
			}
			seen[n] = true
		}
	}
	if manifest {
		if _, err := DecodeManifest(newestManifest(all)); err != nil {
			t.Fatalf("%v: %v", f, err)
		}
	}
	// Without being asked: refused, or complete and then really so.
	o, err := tortureJob().open(disk, "/out")
	if err != nil {
		if !errors.Is(err, ErrForeign) {
			t.Fatalf("%v: %v", f, err)
		}
		return
	}
	done, err := o.Manifest()
	if cerr := o.Close(); err != nil || cerr != nil {
		t.Fatal(err, cerr)
	}
	if done != nil {
		j.checkComplete(t, disk)
	}
}

// replaced tells whether a file of the same number and a higher revision is there.
func replaced(name string, all map[string][]byte) bool {
	l := layout{run: testRun, partition: testPartition}
	seq, revision, _ := l.partOf(path.Base(name))
	for other := range all {
		if s, r, ok := l.partOf(path.Base(other)); ok && s == seq && r > revision {
			return true
		}
	}
	return false
}

// A stranger's file at one of our names is not ours to replace, and neither is a newer version's.
func TestMend_LeavesStrangersAlone(t *testing.T) {
	j := mendJob()
	for name, data := range map[string][]byte{
		"another run's":   build(t, tortureJob(), func(kv map[string]string) { kv[footerPrefix+keyRun] = "other" }),
		"a newer version": build(t, tortureJob(), func(kv map[string]string) { kv[footerPrefix+keySchemaVersion] = "99" }),
		"nobody's":        build(t, tortureJob(), func(kv map[string]string) { clear(kv) }),
	} {
		disk := storetest.NewMemFS()
		finish(t, tortureJob(), disk)
		disk.Plant(t, partName(testRun, 1), data)
		before := disk.Files()
		wantForeign(t, j.mend(disk), "00001.parquet")
		if !sameFiles(before, disk.Files()) {
			t.Errorf("%s: something was touched", name)
		}
	}
}

func TestDamage_NamesEveryFile(t *testing.T) {
	j := tortureJob()
	disk := storetest.NewMemFS()
	finish(t, j, disk)
	for _, seq := range []int{0, 2} {
		if err := disk.Remove(partName(testRun, seq)); err != nil {
			t.Fatal(err)
		}
	}
	_, err := j.open(disk, "/out")
	wantForeign(t, err, "2 files", "00000.parquet", "00002.parquet", "missing")
	if !errors.Is(err, ErrMissing) {
		t.Error("not ErrMissing")
	}
}

// A name with a huge number makes nobody count up to it.
func TestRecover_AHugeNumber(t *testing.T) {
	j := job{total: 40, group: 10}
	disk := half(t, j)
	disk.Plant(t, partName(testRun, 2_000_000_000), []byte("x"))
	_, err := j.open(disk, "/out")
	wantForeign(t, err, "2000000000", "missing")
}
