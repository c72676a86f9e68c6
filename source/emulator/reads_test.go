package emulator

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Continuing from any control chunk gives exactly what came after it.
func TestRead_ResumesAtEveryOffset(t *testing.T) {
	a := serve(t, Config{ControlEvery: 37, NoRateLimits: true, DocumentsPerDay: 150})
	a.export("c1", "2024-01-01", "2024-01-04", "")
	all := a.read("c1", "&resume_offset=earliest")
	if len(all.results) != 450 || len(all.offsets) != 1+450/37+1 {
		t.Fatalf("%d results, %d control chunks", len(all.results), len(all.offsets))
	}
	for i, offset := range all.offsets {
		rest := a.read("c1", "&resume_offset="+offset)
		if !slices.Equal(rest.results, all.results[all.after[i]:]) {
			t.Fatalf("from %s: %d results, want %d", offset, len(rest.results), 450-all.after[i])
		}
		if rest.offsets[0] != offset || rest.offsets[len(rest.offsets)-1] != all.offsets[len(all.offsets)-1] {
			t.Errorf("from %s: first offset %s, last %s", offset, rest.offsets[0], rest.offsets[len(rest.offsets)-1])
		}
	}
	for _, o := range all.offsets[1:] {
		if len(o) != 10 || strings.Trim(o, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			t.Errorf("offset %q is not 10 characters of URL-safe base64", o)
		}
	}
	if slices.IsSorted(all.offsets[1:]) {
		t.Error("offsets can be ordered")
	}
	// An offset belongs to its collector.
	a.export("c2", "2024-01-01", "2024-01-04", "")
	if e := a.do("GET", "/api/v3/stream/c/c2/results?resume_offset="+all.offsets[2], ""); e.Code != "5" {
		t.Errorf("foreign offset: %s", e.Raw)
	}
}

// Every position has one offset, and it is found again.
func TestOffset_IsABijection(t *testing.T) {
	col := &collector{id: "c", epoch: 12345, length: 1 << 40}
	seen := map[string]bool{}
	for _, base := range []int64{0, 999_990, 1<<32 - 5, 1<<40 - 20} {
		for p := base; p < base+20; p++ {
			o := col.offset(p)
			got, ok := col.position(o)
			if !ok || got != p || seen[o] {
				t.Fatalf("position %d: offset %s, back %d %v", p, o, got, ok)
			}
			seen[o] = true
		}
	}
	for _, bad := range []string{"", "A", "earliest", "AAAAAAAAAA", "0123456789", "0123456789ab", "Zm9vYmFyIQ"} {
		if _, ok := col.position(bad); ok {
			t.Errorf("%q is accepted", bad)
		}
	}
}

func TestRead_FramesChunks(t *testing.T) {
	a := serve(t, Config{ControlEvery: 2})
	a.s.AddResults("c1", json.RawMessage(`{"url":"a"}`), json.RawMessage(`{"url":"b"}`), json.RawMessage(`{"url":"c"}`))
	_, raw, err := a.try("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop", "")
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for line := range bytes.SplitSeq(raw, []byte("\n")) {
		kinds = append(kinds, string(line[len(`{"chunk_type":"CT_`)]))
	}
	if got := strings.Join(kinds, ""); got != "CRRCRC" {
		t.Errorf("chunks %s of\n%s", got, raw)
	}
	_, pretty, _ := a.try("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop&pretty=true", "")
	d := json.NewDecoder(bytes.NewReader(pretty))
	n := 0
	for ; ; n++ {
		var v map[string]any
		if err := d.Decode(&v); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n != 6 || bytes.Count(pretty, []byte("\n")) < 20 {
		t.Errorf("pretty: %d chunks in\n%s", n, pretty)
	}
	if bytes.HasSuffix(raw, []byte("\n")) {
		t.Error("a newline after the last chunk")
	}
}

func TestRead_EndsEarly(t *testing.T) {
	a := serve(t, Config{MaxPerRead: 100, NoRateLimits: true})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	offset, total := "earliest", 0
	reads := 0
	for {
		st := a.read("c1", "&resume_offset="+offset)
		reads++
		total += len(st.results)
		offset = st.offsets[len(st.offsets)-1]
		if len(st.results) == 0 {
			break
		}
	}
	if total != 250 || reads != 4 {
		t.Errorf("%d results in %d reads", total, reads)
	}
	// max_hits counts what is no UPDATED copy.
	st := a.read("c1", "&max_hits=40")
	updated := 0
	for _, line := range st.results {
		if strings.Contains(line, `"appearance":"UPDATED"`) {
			updated++
		}
	}
	if len(st.results) != 40+updated {
		t.Errorf("%d results, %d updated", len(st.results), updated)
	}
	if st := a.read("c1", "&resume_offset=latest"); len(st.results) != 0 {
		t.Errorf("latest gave %d results", len(st.results))
	}
}

// Seven days after its export a result is gone; offsets before what is left are refused, or skipped.
func TestRead_Retention(t *testing.T) {
	for _, policy := range []string{"reject", "skip"} {
		c := newClock()
		a := serve(t, Config{Now: c.Now, ExpiredOffsets: policy, ControlEvery: 100})
		a.export("c1", "2024-01-01", "2024-01-02", "")
		first := a.read("c1", "")
		c.add(3 * 24 * time.Hour)
		a.ok("POST", "/api/v3/stream/p/"+a.s.Projects()[0]+"/export", `{"start":"2024-01-02","stop":"2024-01-03","target":"c1"}`)
		if n := len(a.read("c1", "").results); n != 500 {
			t.Errorf("%d results", n)
		}
		if _, raw, err := a.try("POST", "/_emulator/clock", `{"advance":"96h"}`); err != nil || !bytes.Contains(raw, []byte("2024-06-08")) {
			t.Errorf("clock: %s %v", raw, err)
		}
		if n := len(a.read("c1", "").results); n != 250 {
			t.Errorf("%d results left", n)
		}
		last := first.offsets[len(first.offsets)-1]
		if n := len(a.read("c1", "&resume_offset="+last).results); n != 250 {
			t.Errorf("%d results after the first export", n)
		}
		_, raw, _ := a.try("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop&resume_offset="+first.offsets[1], "")
		if refused := bytes.Contains(raw, []byte(`"status_code":"5"`)); refused != (policy == "reject") {
			t.Errorf("%s: %.200s", policy, raw)
		}
		a.s.Advance(10 * 24 * time.Hour)
		if n := len(a.read("c1", "").results); n != 0 {
			t.Errorf("%d results left in the end", n)
		}
		var oracle bytes.Buffer
		if err := a.s.WriteResults(&oracle, "c1"); err != nil || bytes.Count(oracle.Bytes(), []byte("\n")) != 500 {
			t.Errorf("the oracle forgot: %v", err)
		}
	}
}

func TestCollector_PutDropsResults(t *testing.T) {
	for _, keep := range []bool{false, true} {
		a := serve(t, Config{KeepOnPut: keep})
		a.export("c1", "2024-01-01", "2024-01-02", "")
		offset := a.read("c1", "").offsets[1]
		a.ok("PUT", "/api/v3/stream/c/c1", "{}")
		if n := len(a.read("c1", "").results); (n == 250) != keep {
			t.Errorf("keep %v: %d results", keep, n)
		}
		_, raw, _ := a.try("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop&resume_offset="+offset, "")
		if refused := bytes.Contains(raw, []byte("unknown offset")); refused == keep {
			t.Errorf("keep %v: %s", keep, raw)
		}
	}
}

// The default end_behaviour waits: blank lines, then what arrives; a newer connection ends it with code 24. The bubble's
// clock is virtual, so nothing here takes time.
func TestRead_WaitsAndIsTakenOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Config{Token: "TOKEN-rw", KeepAlive: 10 * time.Second, TaskDuration: time.Minute, LimitBatch: 100, DocumentsPerDay: 500})
		if err != nil {
			t.Fatal(err)
		}
		pipe := NewPipe()
		ctx, cancel := contextFor(t)
		served := make(chan error, 1)
		go func() { served <- s.Serve(ctx, pipe) }()
		web := &http.Client{Transport: pipe.Transport()}
		call := func(method, path, body string) *http.Response {
			req, err := http.NewRequest(method, "http://emulator"+path, strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			res, err := web.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		const key = "access_token=TOKEN-rw"
		call("PUT", "/api/v3/stream/c/c1?"+key, "{}").Body.Close()
		read := call("GET", "/api/v3/stream/c/c1/results?"+key, "") //nolint:bodyclose // read to its end below
		got := make(chan []byte)
		go func() {
			raw, _ := io.ReadAll(read.Body)
			got <- raw
		}()
		time.Sleep(35 * time.Second) //nolint:forbidigo // virtual time
		call("POST", "/api/v3/stream/p/"+s.Projects()[0]+"/export?"+key, `{"start":"1999-01-01","stop":"1999-01-02","target":"c1"}`).Body.Close()
		time.Sleep(2 * time.Minute)                                                      //nolint:forbidigo // virtual time
		second := call("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop&"+key, "") //nolint:bodyclose // read to its end below
		raw := <-got
		st := parseStream(t, raw)
		if len(st.results) != 500 || len(st.errors) != 1 || !strings.Contains(st.errors[0], `"status_code":"24"`) || st.chunks[len(st.chunks)-1] != st.errors[0] {
			t.Errorf("%d results, errors %v", len(st.results), st.errors)
		}
		if n := bytes.Count(raw, []byte("\n\n")); n < 3 {
			t.Errorf("%d blank lines", n)
		}
		if len(st.offsets) < 5 {
			t.Errorf("%d control chunks: the results did not come in batches", len(st.offsets))
		}
		rest, _ := io.ReadAll(second.Body)
		if n := len(parseStream(t, rest).results); n != 500 {
			t.Errorf("second reader: %d results", n)
		}
		// Ending the server ends a waiting stream.
		third := call("GET", "/api/v3/stream/c/c1/results?"+key, "")
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		_, _ = io.ReadAll(third.Body)
		third.Body.Close()
		web.CloseIdleConnections()
	})
}

// Readers, pollers and exports at once: every reader gets its own collector's results, once.
func TestRead_WhileEverythingGoesOn(t *testing.T) {
	a := serve(t, Config{Now: time.Now, NoRateLimits: true, TaskDuration: 200 * time.Millisecond, LimitBatch: 50, ControlEvery: 30})
	var group sync.WaitGroup
	for i := range 6 {
		id := fmt.Sprintf("c%d", i)
		task := a.export(id, "2024-01-01", "2024-01-03", "").ID
		group.Go(func() {
			var got []string
			for offset, done := "earliest", false; !done; {
				_, raw, err := a.try("GET", "/api/v3/tasks/export/"+task, "")
				done = err != nil || bytes.Contains(raw, []byte(`"finished"`))
				_, raw, err = a.try("GET", "/api/v3/stream/c/"+id+"/results?end_behaviour=stop&resume_offset="+offset, "")
				if err != nil {
					t.Error(err)
					return
				}
				st := parseStream(t, raw)
				got, offset = append(got, st.results...), st.offsets[len(st.offsets)-1]
			}
			var oracle bytes.Buffer
			if err := a.s.WriteResults(&oracle, id); err != nil || oracle.String() != strings.Join(got, "\n")+"\n" || len(got) != 500 {
				t.Errorf("%s: %d results, not those of the oracle (%v)", id, len(got), err)
			}
		})
	}
	group.Wait()
	if n := a.s.Ledger().Credits(); n != 3000 {
		t.Errorf("%d credits", n)
	}
}

func TestRead_ConnectionLimit(t *testing.T) {
	a := serve(t, Config{MaxConnections: 1})
	a.ok("PUT", "/api/v3/stream/c/c1", "{}")
	a.ok("PUT", "/api/v3/stream/c/c2", "{}")
	res, err := a.web.Get(a.url + "/api/v3/stream/c/c1/results?access_token=TOKEN-rw")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if e := a.do("GET", "/api/v3/stream/c/c2/results", ""); e.Code != "30" || e.HTTP != 429 {
		t.Error(e.Raw)
	}
}

// An active collector collects by itself and bills what is no UPDATED copy.
func TestCollector_Live(t *testing.T) {
	c := newClock()
	a := serve(t, Config{Now: c.Now, DocumentsPerDay: 1000, NoRateLimits: true})
	p := a.s.Projects()[0]
	for i, query := range []string{
		`{"projects":["` + p + `"]}`,
		`{"project_topics":{"project":"` + p + `","topics":["` + a.s.Topics()[0] + `"]}}`,
		`{"project_topics":[{"project":"` + p + `","topics":["` + a.s.Topics()[1] + `"]}]}`,
		`{"streams":["demo-stream"]}`,
		`{"queries":[{"id":"q1","query":"cats"}]}`,
	} {
		id := fmt.Sprintf("live%d", i)
		e := a.ok("PUT", "/api/v3/stream/c/"+id, `{"collector_query":`+query+`}`)
		if e.Stream.Collectors[0]["state"] != StateActive {
			t.Errorf("%s: %v", query, e.Stream.Collectors)
		}
		before := a.s.Ledger().Credits()
		c.add(24 * time.Hour)
		st := a.read(id, "")
		updated := strings.Count(strings.Join(st.results, ""), `"appearance":"UPDATED"`)
		if n := a.s.Ledger().Credits() - before; len(st.results) < 100 || int(n) != len(st.results)-updated {
			t.Errorf("%s: %d results, %d updated, %d credits", query, len(st.results), updated, n)
		}
		a.ok("POST", "/api/v3/stream/c/"+id+"/pause", "")
		c.add(24 * time.Hour)
		if n := len(a.read(id, "").results); n != len(st.results) {
			t.Errorf("%s: a paused collector went on to %d", query, n)
		}
	}
}

// What the histogram counts is what an export of the same range delivers.
func TestHistogram_AgreesWithExports(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, DocumentsPerDay: 333})
	p, topics := a.s.Projects()[0], a.s.Topics()
	for i, test := range []struct{ query, body string }{
		{"", ""},
		{"&topic=" + topics[0], `,"topics":["` + topics[0] + `"]`},
		{"&topic=" + topics[1] + "&topic=" + topics[2], `,"topics":["` + topics[1] + `","` + topics[2] + `"]`},
		{"&q=coffee%20AND%20lang%3Aen", `,"query":"coffee AND lang:en"`},
		{"&dataset=dataset-1", `,"datasets":["dataset-1"]`},
		{"&topic=search", `,"topics":["search"]`},
	} {
		id := fmt.Sprintf("c%d", i)
		a.export(id, "2024-01-01", "2024-01-04", test.body)
		exported := int64(len(a.read(id, "").results))
		sum := func(more string) (total int64, bins int) {
			h := a.ok("GET", fmt.Sprintf("/api/v1/search/p/%s/histogram/published?min=%d&max=%d%s%s", p, day(0), day(3), test.query, more), "").Histogram
			for _, bin := range h.Data {
				for _, v := range bin.V {
					total += v
				}
			}
			return total, len(h.Data)
		}
		for more, bins := range map[string]int{"": 3, "&interval=day": 3, "&interval=hour": 72, "&interval=2d": 2, "&interval=720d": 1, "&interval=week": 1,
			"&breakdown=sentiment": 3, "&breakdown=sourcetype": 3, "&breakdown=country": 3} {
			if n, got := sum(more); n != exported || got != bins {
				t.Errorf("%s%s: %d in %d bins, exported %d", test.query, more, n, got, exported)
			}
		}
		if n, _ := sum("&breakdown=topic"); n <= exported {
			t.Errorf("breakdown by topic: %d of %d", n, exported)
		}
		if test.query == "" {
			q := fmt.Sprintf("published%%3A%%3E%%3D%d%%20AND%%20published%%3A%%3C%d", day(0), day(3))
			e := a.ok("GET", "/api/v1/search/p/"+p+"/results?hpp=0&q="+q, "")
			if e.Pagination.Total != exported || !strings.HasPrefix(e.Pagination.Next, "GET /api/v1/") {
				t.Errorf("search: %+v, exported %d", e.Pagination, exported)
			}
		}
	}
	// Without bounds: the last seven days.
	if h := a.ok("GET", "/api/v1/search/p/"+p+"/histogram/published", "").Histogram; len(h.Data) != 7 || h.Data[0].T != epoch.UnixMilli()-7*dayMS {
		t.Errorf("%+v", h)
	}
}

func TestSetDocuments_ReplacesTheGenerated(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, Documents: []json.RawMessage{
		json.RawMessage(fmt.Sprintf(`{"url":"jan","published":%d}`, day(3))),
		json.RawMessage(fmt.Sprintf(`{"url":"feb","published":%d}`, day(35))),
		json.RawMessage(`{"external_id":"x"}`),
		json.RawMessage(`{"chunk_type":"CT_RESULT","broken":`),
		json.RawMessage(`{"chunk_type":"CT_SOMETHING","n":1}`),
		json.RawMessage(`{"url":"odd","published":"yesterday"}`),
	}})
	a.export("c1", "2024-01-01", "2024-02-01", "")
	_, raw, _ := a.try("GET", "/api/v3/stream/c/c1/results?end_behaviour=stop", "")
	lines := strings.Split(string(raw), "\n")
	want := []string{chunkStart + fmt.Sprintf(`{"url":"jan","published":%d}`, day(3)) + chunkEnd, chunkStart + `{"external_id":"x"}` + chunkEnd,
		`{"chunk_type":"CT_RESULT","broken":`, `{"chunk_type":"CT_SOMETHING","n":1}`, chunkStart + `{"url":"odd","published":"yesterday"}` + chunkEnd}
	if !slices.Equal(lines[1:len(lines)-1], want) {
		t.Errorf("got\n%s", raw)
	}
	a.s.SetDocuments(nil)
	a.export("c2", "2024-01-01", "2024-01-02", "")
	if n := len(a.read("c2", "").results); n != 250 {
		t.Errorf("%d generated results", n)
	}
}
