package emulator

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"
)

// counts sums a histogram by column.
func (a *account) counts(by string, from, to int64, more string) (byColumn map[string]int64, total int64) {
	a.t.Helper()
	h := a.ok("GET", fmt.Sprintf("/api/v1/search/p/%s/histogram/%s?min=%d&max=%d%s", a.s.Projects()[0], by, from, to, more), "").Histogram
	byColumn = map[string]int64{}
	for _, bin := range h.Data {
		for i, v := range bin.V {
			total += v
			if len(h.Header.V) > 0 {
				byColumn[h.Header.V[i]] += v
			}
		}
	}
	return byColumn, total
}

// The times that a histogram by search_indexed counts are those in the documents.
func TestHistogram_BySearchIndexedAgreesWithTheDocuments(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, DocumentsPerDay: 200, LatePercent: 30, Late: 40 * time.Hour})
	a.export("c1", "2024-01-01", "2024-01-08", "")
	var want int64
	for _, line := range a.read("c1", "").results {
		var chunk struct {
			Result struct {
				Data struct {
					Data struct {
						At int64 `json:"search_indexed"`
					} `json:"data"`
				} `json:"data"`
			} `json:"chunk_result"`
		}
		if err := json.Unmarshal([]byte(line), &chunk); err != nil {
			t.Fatal(err)
		}
		if at := chunk.Result.Data.Data.At; at >= day(4) && at < day(6) {
			want++
		}
	}
	published := fmt.Sprintf("&q=published%%3A%%3E%%3D%d%%20AND%%20published%%3A%%3C%d", day(0), day(7))
	for _, interval := range []string{"hour", "day", "720d"} {
		if _, got := a.counts("search_indexed", day(4), day(6), published+"&interval="+interval); got != want || want == 0 {
			t.Errorf("by %s: %d, the documents say %d", interval, got, want)
		}
	}
	if e := a.do("GET", "/api/v1/search/p/"+a.s.Projects()[0]+"/histogram/indexed", ""); e.Code != "26" {
		t.Errorf("an unknown time: code %s", e.Code)
	}
}

// What becomes searchable late is not exported before, and is what a histogram since then counts.
func TestLate_ArriveAfterAnExport(t *testing.T) {
	now := time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC)
	a := serve(t, Config{NoRateLimits: true, DocumentsPerDay: 100, LatePercent: 10, Late: 240 * time.Hour, Now: func() time.Time { return now }})
	a.export("c1", "2024-01-10", "2024-01-30", "")
	first := int64(len(a.read("c1", "").results))
	_, counted := a.counts("published", day(9), day(29), "")
	a.s.Advance(30 * 24 * time.Hour)
	a.export("c2", "2024-01-10", "2024-01-30", "")
	second := int64(len(a.read("c2", "").results))
	q := fmt.Sprintf("&q=published%%3A%%3E%%3D%d%%20AND%%20published%%3A%%3C%d&interval=720d", day(9), day(29))
	_, late := a.counts("search_indexed", now.UnixMilli()+1, a.s.Now().UnixMilli(), q)
	if counted != first || second != 2000 || late != second-first || late == 0 {
		t.Errorf("counted %d, exported %d, then %d; arrived since: %d", counted, first, second, late)
	}
}

// Histograms count more than an export hands over.
func TestHistogramOnly_IsCountedAndNotExported(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, DocumentsPerDay: 50, HistogramOnly: 10})
	a.export("c1", "2024-01-01", "2024-01-04", "")
	exported := int64(len(a.read("c1", "").results))
	types, total := a.counts("published", day(0), day(3), "&breakdown=sourcetype")
	_, plain := a.counts("published", day(0), day(3), "")
	if exported != 150 || total != 180 || plain != 180 || types["SOCIALMEDIA_FACEBOOK"] != 15 || types["SOCIALMEDIA_INSTAGRAM"] != 15 {
		t.Errorf("exported %d, counted %d and %d: %v", exported, total, plain, types)
	}
	var hours int64
	for i := range int64(72) {
		_, n := a.counts("published", day(0)+i*3_600_000, day(0)+(i+1)*3_600_000, "")
		hours += n
	}
	if hours != 180 {
		t.Errorf("by hour: %d", hours)
	}
	if charged := a.s.Ledger().Credits(); charged != exported+10*74 {
		t.Errorf("%d credits", charged)
	}
}
