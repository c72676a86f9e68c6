package dataset

import (
	"fmt"
	"testing"

	"tw2parquet/sink"
	"tw2parquet/sink/store/storetest"
)

// An output is listed in pages of a thousand names, once, and nothing of it is read; files of a run that has no
// directory cost one request more for each such run, or all pages of the state directory if those are fewer.
func TestOpen_CostsPages(t *testing.T) {
	for strays, most := range map[int]int{0: 11, 1: 12, 8: 19, 9: 14} {
		m := storetest.NewMemory()
		for i := range 10_000 {
			run := fmt.Sprintf("run%d", i%100)
			if i < 2_000 {
				m.Plant(fmt.Sprintf("%s/intent-%d.json", sink.RunDir(run), i), []byte("{}"))
			} else {
				m.Plant("window_start=2024-01-01/"+sink.PartName(run, i, 0), []byte("x"))
			}
		}
		for i := range strays {
			m.Plant("window_start=2024-01-01/"+sink.PartName(fmt.Sprintf("stray%d", i), 0, 0), []byte("x"))
		}
		d, err := Open(t.Context(), m)
		if err != nil || len(d.Runs) != 100 || len(d.Strays) != strays {
			t.Fatalf("%d runs, %d strays, %v", len(d.Runs), len(d.Strays), err)
		}
		if n := m.Requests()["list"]; n > most || n != m.Total() {
			t.Errorf("%d strays: %d pages, %d requests; want at most %d", strays, n, m.Total(), most)
		}
	}
}
