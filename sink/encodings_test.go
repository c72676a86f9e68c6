package sink

import (
	"bytes"
	"strings"
	"testing"

	parquetgo "github.com/parquet-go/parquet-go"

	"tw2parquet/sink/parquet"
	"tw2parquet/sink/store/storetest"
)

// A run that was begun with one choice is continued, and mended, with the other.
func TestRun_GoesOnWithOtherEncodings(t *testing.T) {
	for _, first := range []parquet.Encodings{parquet.Broad, parquet.Compact} {
		t.Run(first.String(), func(t *testing.T) {
			with := func(e parquet.Encodings) job {
				return job{total: 50, group: 3, config: func(c *Config) { c.Encodings, c.Refetch = e, true }}
			}
			begun, other := with(first), with(parquet.Broad+parquet.Compact-first)
			disk := storetest.NewMemFS()
			o := mustOpen(t, begun, disk)
			o.SetMeta("task_id", "task")
			if err := begun.stretchTo(o, 21); err != nil {
				t.Fatal(err)
			}
			published := len(o.Files())
			if published < 2 {
				t.Fatalf("%d files", published)
			}
			if err := o.Close(); err != nil {
				t.Fatal(err)
			}
			finish(t, other, disk)
			checkVersions(t, disk, first, published)

			// One file of each kind is damaged, and comes back as the other one.
			var parts []string
			for _, name := range sortedNames(disk) {
				if strings.HasSuffix(name, ".parquet") {
					parts = append(parts, name)
				}
			}
			for _, name := range []string{parts[0], parts[published]} {
				if err := disk.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
			if err := begun.mend(disk); err != nil {
				t.Fatal(err)
			}
			begun.checkComplete(t, disk)
			checkVersions(t, disk, first, published+1)
		})
	}
}

// checkVersions wants the first n files of a run with the encodings first, and the others with the other
// ones: version 1 of the format stands for broad ones, 2 for compact ones.
func checkVersions(t *testing.T, disk *storetest.MemFS, first parquet.Encodings, n int) {
	t.Helper()
	var got []int32
	for _, name := range sortedNames(disk) {
		if !strings.HasSuffix(name, ".parquet") {
			continue
		}
		data := disk.Files()[name]
		f, err := parquetgo.OpenFile(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, f.Metadata().Version)
	}
	for i, version := range got {
		want := first
		if i >= n {
			want = parquet.Broad + parquet.Compact - first
		}
		if version != int32(want)+1 {
			t.Fatalf("files of versions %v, want %d of the first choice, %s", got, n, first)
		}
	}
	if len(got) <= n {
		t.Fatalf("files of versions %v, all of the same choice", got)
	}
}
