package source

import (
	"strings"
	"testing"
	"time"
)

func TestRequest_Validate(t *testing.T) {
	now := time.Date(2024, 6, 1, 0, 0, 0, 0, time.UTC)
	if err := testRequest().Validate(now); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Request){
		"kind":                  func(r *Request) { r.Kind = "x" },
		"project":               func(r *Request) { r.Project = "../x" },
		"project given":         func(r *Request) { r.Kind, r.Query = KindQuery, "x" },
		"stream":                func(r *Request) { r.Kind, r.Stream = KindStream, "Upper" },
		"topics given":          func(r *Request) { r.Kind, r.Project, r.Query = KindQuery, "", "x" },
		"query":                 func(r *Request) { r.Kind, r.Project, r.Topics = KindQuery, "", nil },
		"query of 4097":         func(r *Request) { r.Query = strings.Repeat("ä", 4097) },
		"topic":                 func(r *Request) { r.Topics = []string{""} },
		"dataset a b":           func(r *Request) { r.Datasets = []string{"a b"} },
		"start : must be given": func(r *Request) { r.Start = time.Time{} },
		"before 1990":           func(r *Request) { r.Start = time.UnixMilli(1704067200) },
		"whole millisecond":     func(r *Request) { r.Start = r.Start.Add(time.Microsecond) },
		"after start":           func(r *Request) { r.Stop = r.Start },
		"future":                func(r *Request) { r.Stop = now.Add(time.Millisecond) },
		"limit 0":               func(r *Request) { r.Limit = 0 },
		"limit 1000001":         func(r *Request) { r.Limit = 1000001 },
		"generation 0":          func(r *Request) { r.Generation = 0 },
		"after the year 9999":   func(r *Request) { r.Stop = time.UnixMicro(1704067200000000 * 1000) },
	} {
		r := testRequest()
		change(&r)
		err := r.Validate(now)
		checkClass(t, err, ClassUsage)
		if err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err := (Request{}).Validate(now); err == nil || strings.Count(err.Error(), "\n") < 4 {
		t.Errorf("not every bad field is told: %v", err)
	}
}

func TestRequest_Run(t *testing.T) {
	run := testRequest().Run("api.talkwalker.com")
	// What buys nothing twice must never change: this value is a promise to every output there is.
	if run != "ykepx2anukkb6oo5muesma2zgv" {
		t.Errorf("the run of a known request is %s", run)
	}
	if id := CollectorID(run); !clientID.MatchString(id) || len(run) != 26 {
		t.Errorf("collector id %s", id)
	}
	same := testRequest()
	same.Topics = []string{"t1", "t2", "t1"}
	same.Start = same.Start.In(time.FixedZone("x", 3600))
	if same.Run("API.talkwalker.com") != run {
		t.Error("order, repetition and zone change the run")
	}
	seen := map[string]bool{run: true}
	for _, change := range []func(*Request){
		func(r *Request) { r.Kind = KindStream }, func(r *Request) { r.Project = "x" }, func(r *Request) { r.Stream = "x" },
		func(r *Request) { r.Topics = []string{"t1"} }, func(r *Request) { r.Topics = []string{"t1t2"} }, func(r *Request) { r.Datasets = []string{"t1"} },
		func(r *Request) { r.Query = "x" }, func(r *Request) { r.Start = r.Start.Add(time.Millisecond) },
		func(r *Request) { r.Stop = r.Stop.Add(time.Millisecond) }, func(r *Request) { r.Limit++ }, func(r *Request) { r.Generation++ },
	} {
		r := testRequest()
		change(&r)
		if other := r.Run("api.talkwalker.com"); seen[other] {
			t.Errorf("%+v is the same run", r)
		} else {
			seen[other] = true
		}
	}
	if seen[testRequest().Run("other.example")] {
		t.Error("another host is the same run")
	}
}

func testRequest() Request {
	return Request{Kind: KindProject, Project: "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee", Topics: []string{"t2", "t1"},
		Start: time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC), Stop: time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), Limit: 1000, Generation: 1}
}
