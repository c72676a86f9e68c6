package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"

	"tw2parquet/pipeline"
	"tw2parquet/sink"
	"tw2parquet/sink/store"
)

// held is what an output holds of a run.
type held struct {
	complete bool // it has a manifest
	bought   bool // for certain: its task is known
	begun    bool
	failed   bool // in a way that a retry does not mend
}

// look finds out what an output holds of a run, from the names of its records.
func look(root, run string) held {
	dir := filepath.Join(root, sink.StateDir, run)
	has := func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	}
	return held{
		complete: has("manifest.json"), bought: has("task.json"), begun: has(pipeline.RequestRecord), failed: has(pipeline.FailureRecord),
	}
}

func lookAll(root string, windows []pipeline.Window) []held {
	all := make([]held, len(windows))
	for i, w := range windows {
		all[i] = look(root, w.Run)
	}
	return all
}

// maxRecord bounds what is read of a record; ours are shorter, whatever the query.
const maxRecord = 1 << 20

// purchases are the requests that an output has bought, complete or not.
func purchases(root string) ([]pipeline.Asking, error) {
	entries, err := os.ReadDir(filepath.Join(root, sink.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []pipeline.Asking
	for _, e := range entries {
		if h := look(root, e.Name()); !h.complete && !h.bought {
			continue
		}
		asking, err := readAsking(filepath.Join(root, sink.StateDir, e.Name(), pipeline.RequestRecord))
		switch {
		case errors.Is(err, fs.ErrNotExist): // a conversion
		case err != nil:
			return nil, err
		case asking.Run == e.Name():
			all = append(all, asking)
		}
	}
	return all, nil
}

func readAsking(name string) (asking pipeline.Asking, err error) {
	info, err := os.Lstat(name)
	if err != nil {
		return asking, err
	}
	if !info.Mode().IsRegular() {
		return asking, fmt.Errorf("read %s: not a regular file", name)
	}
	f, err := os.Open(name)
	if err != nil {
		return asking, err
	}
	defer f.Close()
	if err := json.NewDecoder(io.LimitReader(f, maxRecord)).Decode(&asking); err != nil {
		return asking, fmt.Errorf("read %s: %w", name, err)
	}
	return asking, nil
}

// warned is how many overlaps are told one by one.
const warned = 5

// warnOfOverlaps tells, before anything is bought, what the output holds already of the same source and time: it
// would be bought again, and its rows would be there twice.
func (c *exportCmd) warnOfOverlaps(log *slog.Logger, root string, windows []pipeline.Window, all []held) {
	var buy []pipeline.Asking
	for i, w := range windows {
		if !all[i].complete && !all[i].bought {
			buy = append(buy, w.Asking())
		}
	}
	if len(buy) == 0 || c.Refetch { // which never buys
		return
	}
	there, err := purchases(root)
	if err != nil {
		log.Warn("what this output holds already could not be read, so that nothing warns of buying it twice", "error", store.Cause(err))
		return
	}
	slices.SortFunc(there, func(x, y pipeline.Asking) int { return x.Start.Compare(y.Start) })
	overlaps := 0
	for _, old := range there {
		again := 0
		for _, w := range buy {
			if w.Run != old.Run && w.Overlaps(old) {
				again++
			}
		}
		if again == 0 {
			continue
		}
		if overlaps++; overlaps <= warned {
			log.Warn("this output holds results of the same source and time already; what is bought again costs again, and its rows are then there twice",
				"run", old.Run, "window", pipeline.PartitionName(old.Start), "stop", rfc3339(old.Stop), "generation", old.Asked.Generation,
				"windows_to_buy", again, "max_credits", int64(again)*int64(c.Limit))
		}
	}
	if overlaps > warned {
		log.Warn("more runs in this output overlap what is to be bought", "runs", overlaps-warned)
	}
}
