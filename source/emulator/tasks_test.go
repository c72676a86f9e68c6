package emulator

import (
	"encoding/json"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"
)

// clock is moved by the test.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: epoch} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

func (a *account) task(id string) taskView {
	a.t.Helper()
	return a.ok("GET", "/api/v3/tasks/export/"+id, "").Tasks.Tasks[0]
}

func (v taskView) progress(t *testing.T) float64 {
	t.Helper()
	f, err := v.Progress.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// queued without ready, running by whole batches, finished with progress 1.
func TestTask_RunsThroughItsStates(t *testing.T) {
	c := newClock()
	a := serve(t, Config{Now: c.Now, TaskDuration: 100 * time.Second, LimitBatch: 100, DocumentsPerDay: 950})
	id := a.export("c1", "2024-01-01", "2024-01-02", "").ID
	for _, step := range []struct {
		after     time.Duration
		status    string
		processed int64
	}{{9 * time.Second, StatusQueued, 0}, {10 * time.Second, StatusRunning, 0}, {30 * time.Second, StatusRunning, 200},
		{99 * time.Second, StatusRunning, 900}, {100 * time.Second, StatusFinished, 950}, {time.Hour, StatusFinished, 950}} {
		c.add(step.after - c.Now().Sub(epoch))
		v := a.task(id)
		if v.Status != step.status || v.Processed != step.processed || (v.Ready == nil) != (step.status == StatusQueued) {
			t.Errorf("after %v: %+v", step.after, v)
		}
		if want := float64(step.processed) / 950; v.progress(t) != want {
			t.Errorf("after %v: progress %v, want %v", step.after, v.Progress, want)
		}
		if v.Ready != nil && *v.Ready != v.Processed {
			t.Errorf("ready %d", *v.Ready)
		}
		// What is ready can be read, at once and for free.
		if step.after < 2*time.Minute {
			c.add(0)
			a.s.limits = limiter{}
			if n := len(a.read("c1", "").results); int64(n) != step.processed {
				t.Errorf("after %v: %d results readable", step.after, n)
			}
		}
		if n := a.s.Ledger().Credits(); n != step.processed {
			t.Errorf("after %v: %d credits", step.after, n)
		}
	}
}

// A limit is overshot by less than a batch, and progress tells limit/total.
func TestTask_ReachesItsLimitInBatches(t *testing.T) {
	a := serve(t, Config{LimitBatch: 300, DocumentsPerDay: 2000, NoRateLimits: true})
	for _, test := range []struct {
		limit, processed int64
		status           string
	}{{1000, 1200, StatusLimit}, {900, 900, StatusLimit}, {1999, 2000, StatusLimit}, {2000, 2000, StatusFinished}, {1, 300, StatusLimit}} {
		col := fmt.Sprintf("c%d", test.limit)
		id := a.export(col, "2024-01-01", "2024-01-02", fmt.Sprintf(`,"limit":%d`, test.limit)).ID
		v := a.task(id)
		if v.Status != test.status || v.Processed != test.processed || math.Abs(v.progress(t)-float64(test.limit)/2000) > 1e-15 {
			t.Errorf("limit %d: %+v", test.limit, v)
		}
		if n := len(a.read(col, "").results); int64(n) != test.processed {
			t.Errorf("limit %d: %d results", test.limit, n)
		}
	}
}

func TestTask_AbortKeepsWhatIsThere(t *testing.T) {
	c := newClock()
	a := serve(t, Config{Now: c.Now, TaskDuration: 100 * time.Second, LimitBatch: 10})
	id := a.export("c1", "2024-01-01", "2024-01-02", "").ID
	other := a.export("c2", "2024-01-01", "2024-01-02", "").ID
	c.add(50 * time.Second)
	if d := a.ok("DELETE", "/api/v3/tasks/export/"+id, "").Tasks.Tasks[0]; d.Status != StatusDeleted || d.ID != id || d.Target != "" {
		t.Errorf("answer: %+v", d)
	}
	c.add(time.Hour)
	list := a.ok("GET", "/api/v3/tasks/export", "").Tasks.Tasks
	if len(list) != 2 || list[0].ID != other || list[1].ID != id {
		t.Fatalf("the newest is not first: %+v", list)
	}
	if v := list[1]; v.Status != StatusAborted || v.Processed == 0 || v.Processed >= 250 || *v.Ready != v.Processed {
		t.Errorf("aborted task: %+v", v)
	}
	if v := list[0]; v.Status != StatusFinished {
		t.Errorf("other task: %+v", v)
	}
	a.ok("DELETE", "/api/v3/tasks/export/"+other, "")
	if v := a.task(other); v.Status != StatusFinished {
		t.Errorf("a finished task became %+v", v)
	}
}

func TestTask_NothingToExport(t *testing.T) {
	a := serve(t, Config{})
	id := a.export("c1", "2024-01-01", "2024-01-02", `,"query":"lang:xx"`).ID
	if v := a.task(id); v.Status != StatusFinished || v.Processed != 0 || v.progress(t) != 1 {
		t.Errorf("%+v", v)
	}
	if st := a.read("c1", ""); len(st.results) != 0 || len(st.offsets) != 2 {
		t.Errorf("%+v", st)
	}
}

// Credits are charged batch by batch and end a task in its middle; then posts are refused.
func TestCredits_RunOut(t *testing.T) {
	for _, end := range []string{StatusFailed, StatusAborted} {
		a := serve(t, Config{Credits: 620, CreditsEnd: end, LimitBatch: 100})
		first := a.export("c1", "2024-01-01", "2024-01-03", "").ID
		if v := a.task(first); v.Status != StatusFinished {
			t.Errorf("%+v", v)
		}
		second := a.export("c2", "2024-01-03", "2024-01-05", "").ID
		if v := a.task(second); v.Status != end || v.Processed != 120 || *v.Ready != 120 {
			t.Errorf("%+v", v)
		}
		if n := len(a.read("c2", "").results); n != 120 {
			t.Errorf("%d results of what was paid for", n)
		}
		e := a.do("POST", "/api/v3/stream/p/"+a.s.Projects()[0]+"/export", `{"start":"2024-01-01","target":"c1"}`)
		if e.Code != "9" || e.HTTP != 401 {
			t.Error(e.Raw)
		}
		if e := a.do("GET", "/api/v1/search/p/"+a.s.Projects()[0]+"/histogram/published", ""); e.Code != "9" {
			t.Error(e.Raw)
		}
		credit := a.ok("GET", "/api/v1/status/credits", "").Credit
		if credit["used_credits_monthly"] != 620.0 || credit["remaining_credits_monthly"] != 0.0 || credit["monthly_total"] != 620.0 {
			t.Errorf("%v", credit)
		}
		if l := a.s.Ledger(); l.Credits() != 620 || len(l.Charges) != 2 || l.Charges[1].Task != second || l.Charges[1].Credits != 120 || l.Charges[1].Target != "c2" {
			t.Errorf("%+v", l.Charges)
		}
	}
}

// An overlap is paid again; reading and looking cost nothing.
func TestCredits_PerExportedResult(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true})
	a.export("c1", "2024-01-01", "2024-01-02", "")
	a.export("c2", "2024-01-01", "2024-01-02", "")
	for range 3 {
		a.read("c1", "")
		a.ok("GET", "/api/v3/stream/info", "")
		a.ok("GET", "/api/v1/status/credits", "")
		a.ok("GET", "/api/v2/talkwalker/p/"+a.s.Projects()[0]+"/resources", "")
	}
	if n := a.s.Ledger().Credits(); n != 500 {
		t.Errorf("%d credits", n)
	}
	a.ok("GET", "/api/v1/search/p/"+a.s.Projects()[0]+"/histogram/published", "")
	a.ok("GET", "/api/v1/search/p/"+a.s.Projects()[0]+"/results?hpp=0", "")
	a.ok("GET", "/api/v1/search/p/"+a.s.Projects()[0]+"/results?hpp=25", "")
	if n := a.s.Ledger().Credits(); n != 500+10+10+25 {
		t.Errorf("%d credits", n)
	}
	none := serve(t, Config{Credits: -1})
	none.ok("PUT", "/api/v3/stream/c/c1", "{}")
	if e := none.do("POST", "/api/v3/stream/p/"+none.s.Projects()[0]+"/export", `{"start":"2024-01-01","target":"c1"}`); e.Code != "9" {
		t.Error(e.Raw)
	}
}

func TestTask_FatesOfTheScript(t *testing.T) {
	c := newClock()
	half := 0.5
	a := serve(t, Config{Now: c.Now, TaskDuration: 10 * time.Second, LimitBatch: 10, DocumentsPerDay: 100, Faults: &Faults{Rules: []Rule{
		{Endpoint: EndpointExport, Nth: 1, Task: &Fate{End: StatusFailed, At: &half, Messages: json.RawMessage(`[{"text":"no"}]`)}},
		{Endpoint: EndpointExport, Nth: 2, Task: &Fate{At: &half, Shown: "PONDERING"}},
		{Endpoint: EndpointExport, Nth: 3, Hide: Duration(90 * time.Second)},
	}}})
	failed := a.export("c1", "2024-01-01", "2024-01-02", "").ID
	stuck := a.export("c2", "2024-01-01", "2024-01-02", "").ID
	hidden := a.export("c3", "2024-01-01", "2024-01-02", "").ID
	c.add(time.Minute)
	if v := a.task(failed); v.Status != StatusFailed || v.Processed != 50 {
		t.Errorf("%+v", v)
	}
	if v := a.task(stuck); v.Status != "PONDERING" || v.Processed != 50 {
		t.Errorf("%+v", v)
	}
	if e := a.do("GET", "/api/v3/tasks/export/"+hidden, ""); e.HTTP != 404 {
		t.Error(e.Raw)
	}
	if n := len(a.ok("GET", "/api/v3/tasks/export", "").Tasks.Tasks); n != 2 {
		t.Errorf("%d tasks listed", n)
	}
	c.add(time.Minute)
	if v := a.task(hidden); v.Status != StatusFinished {
		t.Errorf("%+v", v)
	}
}

func TestAddTask_ShowsAnyState(t *testing.T) {
	a := serve(t, Config{})
	for _, status := range []string{"", "queued", "running", "RUNNING", "unknown", StatusFailed, StatusAborted, StatusLimit, "pondering"} {
		id := a.s.AddTask(TaskSpec{Target: "c9", Status: status, Processed: 7, Total: 14, Created: epoch.Add(-time.Hour)})
		v := a.task(id)
		want := status
		if want == "" {
			want = StatusFinished
		}
		if v.Status != want || v.Processed != 7 || v.progress(t) != 0.5 || v.Created != "2024-06-01T11:00:00.000Z" || v.Target != "c9" {
			t.Errorf("%q: %+v", status, v)
		}
	}
	if l := a.s.Ledger(); len(l.Tasks) != 0 || l.Credits() != 0 {
		t.Errorf("inserted tasks are in the ledger: %+v", l.Tasks)
	}
}

func TestLimits_PerEndpointAndMinute(t *testing.T) {
	c := newClock()
	a := serve(t, Config{Now: c.Now, Minute: 10 * time.Second})
	a.ok("PUT", "/api/v3/stream/c/c1", "{}")
	a.ok("PUT", "/api/v3/stream/c/c2", "{}")
	p := a.s.Projects()[0]
	for _, test := range []struct {
		path string
		n    int
	}{{"/api/v3/stream/c/c1/results?end_behaviour=stop", 5}, {"/api/v1/status/credits", 10}, {"/api/v1/search/info", 10},
		{"/api/v2/talkwalker/p/" + p + "/resources", 20}, {"/api/v1/search/p/" + p + "/histogram/published", 30},
		{"/api/v1/search/p/" + p + "/results?hpp=0", 60}} {
		for i := range test.n {
			if status, raw, _ := a.try("GET", test.path, ""); status != 200 {
				t.Fatalf("%s, call %d: %d %s", test.path, i+1, status, raw)
			}
			c.add(time.Millisecond)
		}
		if e := a.do("GET", test.path, ""); e.Code != "8" || e.HTTP != 401 {
			t.Errorf("%s, call %d: %s", test.path, test.n+1, e.Raw)
		}
	}
	// The limit of reads is the token's, not the collector's.
	if e := a.do("GET", "/api/v3/stream/c/c2/results?end_behaviour=stop", ""); e.Code != "8" {
		t.Error(e.Raw)
	}
	c.add(10 * time.Second)
	a.read("c2", "")
	free := serve(t, Config{NoRateLimits: true})
	for range 12 {
		free.ok("GET", "/api/v1/status/credits", "")
	}
	if n := free.s.Ledger().Peak(EndpointCredits, time.Minute); n != 12 {
		t.Errorf("peak %d", n)
	}
}
