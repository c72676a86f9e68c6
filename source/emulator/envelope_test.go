package emulator

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The answers of the documentation's examples, member for member, with this server's ids in them. "*" stands for any string.
func TestAnswers_HaveTheDocumentedShape(t *testing.T) {
	a := serve(t, Config{})
	task := a.export("tw_export_1", "2024-01-01", "2024-01-02", "")
	project := a.s.Projects()[0]
	live := `{"collector_query":{"streams":["demo-stream"],"queries":[{"id":"rule_1","query":"cats"}]}}`
	a.ok("PUT", "/api/v3/stream/c/live", live)
	common := func(request string) string {
		return fmt.Sprintf(`"status_code":"0","status_message":"OK","request":"%s?access_token=TOKEN-rw","request_id":"*"`, request)
	}
	for _, test := range []struct{ method, path, body, want string }{
		{"PUT", "/api/v3/stream/c/tw2", "{}", `"result_stream":{"collectors":[{"collector_id":"tw2","state":"PAUSED"}]}`},
		{"PUT", "/api/v3/stream/c/tw3", `{"collector_query":{}}`, `"result_stream":{"collectors":[{"collector_id":"tw3","state":"PAUSED"}]}`},
		{"PUT", "/api/v3/stream/c/tw4", ``, `"result_stream":{"collectors":[{"collector_id":"tw4","state":"PAUSED"}]}`},
		{"PUT", "/api/v3/stream/c/live", live, `"result_stream":{"collectors":[{"collector_id":"live","state":"ACTIVE"}]}`},
		{"GET", "/api/v3/stream/c/live", "", `"result_stream":{"collectors":[{"collector_id":"live","state":"ACTIVE","creation_date":"2024-06-01T12:00:00.000Z",
			"collector_query":{"streams":["demo-stream"],"queries":[{"id":"rule_1","query":"cats"}]}}]}`},
		{"POST", "/api/v3/stream/c/live/pause", "", `"result_stream":{"collectors":[{"collector_id":"live","state":"PAUSED"}]}`},
		{"POST", "/api/v3/stream/c/live/resume", "", `"result_stream":{"collectors":[{"collector_id":"live","state":"ACTIVE"}]}`},
		{"DELETE", "/api/v3/stream/c/live", "", `"result_stream":{"collectors":[{"collector_id":"live","state":"DELETED"}]}`},
		{"DELETE", "/api/v3/stream/c/tw3", "", `"result_stream":{"collectors":[{"collector_id":"tw3","state":"DELETED"}]}`},
		{"GET", "/api/v3/stream/info", "", `"result_stream":{"collectors":[{"collector_id":"tw_export_1","state":"PAUSED"},{"collector_id":"tw2","state":"PAUSED"},
			{"collector_id":"tw4","state":"PAUSED"}],"streams":[{"stream_id":"demo-stream","enabled":true}]}`},
		{"GET", "/api/v3/stream/s/demo-stream", "", `"result_stream":{"data":[{"stream_id":"demo-stream","enabled":true,
			"rules":[{"rule_id":"rule_1","query":"coffee OR espresso"},{"rule_id":"rule_2","query":"tea AND NOT coffee"}]}]}`},
		{"PUT", "/api/v3/stream/s/s2", `{"rules":[{"rule_id":"r","query":"x"}]}`, `"result_stream":{"data":[{"stream_id":"s2","enabled":true,"rules":[{"rule_id":"r","query":"x"}]}]}`},
		{"GET", "/api/v3/tasks/export/" + task.ID, "", `"result_tasks":{"tasks":[{"id":"` + task.ID + `","type":"export","creation_date":"2024-06-01T12:00:00.000Z",
			"target":"tw_export_1","status":"finished","processed":250,"ready":250,"progress":1}]}`},
		{"DELETE", "/api/v3/tasks/export/" + task.ID, "", `"result_tasks":{"tasks":[{"id":"` + task.ID + `","status":"deleted"}]}`},
		{"GET", "/api/v1/search/info", "", `"result_accinfo":{"projects":[{"id":"` + project + `","name":"Demo project","account_id":"acc-1","account_name":"Emulated account"}]}`},
	} {
		e := a.ok(test.method, test.path, test.body)
		var got, want any
		for text, into := range map[string]*any{e.Raw: &got, "{" + common(test.method+" "+test.path) + "," + test.want + "}": &want} {
			if err := json.Unmarshal([]byte(text), into); err != nil {
				t.Fatalf("%v in %s", err, text)
			}
		}
		got.(map[string]any)["request_id"] = "*"
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.method, test.path, d)
		}
	}
}

var requestID = regexp.MustCompile(`^#[a-z0-9]{12}#$`)

// status_code is a string and moves about; ids differ; the token is echoed, or masked on request.
func TestEnvelope_VariesAsTheRealOne(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true})
	ids, firsts := map[string]bool{}, map[bool]bool{}
	for range 6 {
		e := a.ok("GET", "/api/v3/tasks/export", "")
		if !requestID.MatchString(e.ID) || !strings.Contains(e.Raw, `"result_tasks":{"tasks":[]}`) {
			t.Error(e.Raw)
		}
		ids[e.ID] = true
		firsts[strings.HasPrefix(e.Raw, `{"status_code":"0","status_message":"OK"`)] = true
	}
	if len(ids) != 6 || len(firsts) != 2 {
		t.Errorf("%d ids, key orders %v", len(ids), firsts)
	}
	masked := serve(t, Config{MaskToken: true}).ok("GET", "/api/v3/tasks/export?x=1", "")
	if masked.Request != "GET /api/v3/tasks/export?x=1&access_token=***" {
		t.Error(masked.Request)
	}
}

func TestErrors_HaveTheDocumentedCodeStatusAndDetails(t *testing.T) {
	a := serve(t, Config{NoRateLimits: true, Streams: []Stream{{ID: "s1", Rules: []StreamRule{{"r", "x"}}}, {ID: "empty"}}})
	a.ok("PUT", "/api/v3/stream/c/c1", "{}")
	project := "/api/v3/stream/p/" + a.s.Projects()[0] + "/export"
	forbidden, inactive := a.s.cfg.Projects[1].ID, a.s.cfg.Projects[2].ID
	export := func(body string) string { return `{"start":"2024-01-01","target":"c1",` + body + `}` }
	for _, test := range []struct {
		name, method, path, body string
		code                     string
		http                     int
		detail, value            string
	}{
		{"no token", "GET", "/api/v3/tasks/export?access_token=", "", "7", 401, "", ""},
		{"wrong token", "GET", "/api/v1/search/info?access_token=nope", "", "7", 401, "", ""},
		{"read only streams", "GET", "/api/v3/stream/info?access_token=TOKEN-ro", "", "13", 403, "rights_req", "read_write"},
		{"demo on a project", "GET", "/api/v1/search/p/x/results?access_token=demo", "", "13", 403, "rights_got", "demo"},
		{"unknown path", "GET", "/api/v3/nothing", "", "26", 404, "", ""},
		{"unknown path without token", "GET", "/api/v9?access_token=", "", "26", 404, "", ""},
		{"trailing slash", "GET", "/api/v3/tasks/export/?access_token=TOKEN-rw", "", "15", 404, "", ""},
		{"wrong method", "POST", "/api/v3/tasks/export", "", "26", 404, "", ""},
		{"no collector", "GET", "/api/v3/stream/c/nope", "", "15", 404, "stream_id", "nope"},
		{"delete no collector", "DELETE", "/api/v3/stream/c/nope", "", "15", 404, "stream_id", "nope"},
		{"read no collector", "GET", "/api/v3/stream/c/nope/results", "", "15", 404, "stream_id", "nope"},
		{"bad collector id", "PUT", "/api/v3/stream/c/Nope", "{}", "5", 400, "param", "collector_id"},
		{"collector id with a slash", "PUT", "/api/v3/stream/c/..%2Fx", "{}", "5", 400, "param", "collector_id"},
		{"collector body", "PUT", "/api/v3/stream/c/c2", "{", "17", 400, "", ""},
		{"collector with both", "PUT", "/api/v3/stream/c/c2", `{"collector_query":{"projects":["` + a.s.Projects()[0] + `"],"project_topics":{"project":"` + a.s.Projects()[0] + `","topics":[]}}}`, "5", 400, "param", "project_topics"},
		{"no stream", "GET", "/api/v3/stream/s/nope", "", "15", 404, "stream_id", "nope"},
		{"export of no stream", "POST", "/api/v3/stream/s/nope/export", export(`"limit":1`), "15", 404, "stream_id", "nope"},
		{"stream without rules", "POST", "/api/v3/stream/s/empty/export", export(`"limit":1`), "23", 403, "", ""},
		{"stream rule", "PUT", "/api/v3/stream/s/s3", `{"rules":[{"rule_id":"r","query":"(x"}]}`, "4", 400, "details", "*"},
		{"no task", "GET", "/api/v3/tasks/export/nope", "", "15", 404, "task_id", "nope"},
		{"foreign project", "POST", "/api/v3/stream/p/" + forbidden + "/export", export(`"limit":1`), "29", 403, "", ""},
		{"inactive project", "POST", "/api/v3/stream/p/" + inactive + "/export", export(`"limit":1`), "12", 403, "", ""},
		{"unknown project", "POST", "/api/v3/stream/p/nope/export", export(`"limit":1`), "11", 403, "", ""},
		{"broken JSON", "POST", project, `{"start":`, "17", 400, "", ""},
		{"two objects", "POST", project, export(`"limit":1`) + "{}", "17", 400, "", ""},
		{"nothing given", "POST", project, `{}`, "3", 400, "params", "start,target"},
		{"no target", "POST", project, `{"start":"2024-01-01"}`, "3", 400, "params", "target"},
		{"bad start", "POST", project, `{"start":"yesterday","target":"c1"}`, "5", 400, "param", "start"},
		{"start in an object", "POST", project, `{"start":{},"target":"c1"}`, "5", 400, "param", "start"},
		{"stop before start", "POST", project, export(`"stop":"2023-12-31"`), "5", 400, "param", "stop"},
		{"stop at start", "POST", project, export(`"stop":1704067200000`), "5", 400, "param", "stop"},
		{"limit 0", "POST", project, export(`"limit":0`), "5", 400, "param", "limit"},
		{"limit too high", "POST", project, export(`"limit":1000001`), "5", 400, "param", "limit"},
		{"limit 1.5", "POST", project, export(`"limit":1.5`), "5", 400, "param", "limit"},
		{"target number", "POST", project, `{"start":1,"target":5}`, "5", 400, "param", "target"},
		{"target unknown", "POST", project, `{"start":"2024-01-01","target":"nope"}`, "15", 404, "stream_id", "nope"},
		{"topic unknown", "POST", project, export(`"topics":["nope"]`), "5", 400, "param", "topics"},
		{"dataset unknown", "POST", project, export(`"datasets":["nope"]`), "5", 400, "param", "datasets"},
		{"topics on a stream", "POST", "/api/v3/stream/s/s1/export", export(`"topics":["x"]`), "5", 400, "param", "topics"},
		{"query missing", "POST", "/api/v3/stream/export", export(`"limit":1`), "3", 400, "params", "query"},
		{"query broken", "POST", "/api/v3/stream/export", export(`"query":"a AND (b"`), "4", 400, "details", "*"},
		{"demo query", "POST", "/api/v3/stream/export?access_token=demo", export(`"query":"horses"`), "13", 403, "rights_got", "demo"},
		{"end_behaviour", "GET", "/api/v3/stream/c/c1/results?end_behaviour=pause", "", "5", 400, "param", "end_behaviour"},
		{"offset", "GET", "/api/v3/stream/c/c1/results?resume_offset=AAAAAAAAAA", "", "5", 400, "param", "resume_offset"},
		{"max_hits", "GET", "/api/v3/stream/c/c1/results?max_hits=-1", "", "5", 400, "param", "max_hits"},
		{"resource type", "GET", "/api/v2/talkwalker/p/" + a.s.Projects()[0] + "/resources?type=nope", "", "5", 400, "param", "type"},
		{"interval", "GET", "/api/v1/search/p/" + a.s.Projects()[0] + "/histogram/published?interval=soon", "", "5", 400, "param", "interval"},
		{"histogram bounds", "GET", "/api/v1/search/p/" + a.s.Projects()[0] + "/histogram/published?min=5&max=5", "", "5", 400, "param", "max"},
		{"breakdown", "GET", "/api/v1/search/p/" + a.s.Projects()[0] + "/histogram/published?breakdown=x", "", "5", 400, "param", "breakdown"},
		{"hpp", "GET", "/api/v1/search/p/" + a.s.Projects()[0] + "/results?hpp=501", "", "5", 400, "param", "hpp"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := (&account{t, a.s, a.url, a.web}).do(test.method, test.path, test.body)
			if e.Code != test.code || e.HTTP != test.http {
				t.Errorf("code %s HTTP %d, want %s %d: %s", e.Code, e.HTTP, test.code, test.http, e.Raw)
			}
			if test.detail == "" {
				return
			}
			i := slices.IndexFunc(e.Error.Data, func(d detail) bool { return d.Key == test.detail })
			if i < 0 || test.value != "*" && strings.Join(e.Error.Data[i].Value, ",") != test.value {
				t.Errorf("details %+v, want %s=%s", e.Error.Data, test.detail, test.value)
			}
		})
	}
	if n := a.s.Ledger().Credits(); n != 0 {
		t.Errorf("refused calls cost %d credits", n)
	}
	if n := len(a.s.Ledger().Tasks); n != 0 {
		t.Errorf("refused posts made %d tasks", n)
	}
}

// The Date of an answer is the account's time: a client that reckons with it is not confused by a virtual clock.
func TestAnswers_CarryTheAccountsTime(t *testing.T) {
	a := serve(t, Config{})
	_, _, header, err := a.fetch(t.Context(), "GET", "/api/v3/tasks/export?access_token=TOKEN-rw", "")
	if err != nil || header.Get("Date") != "Sat, 01 Jun 2024 12:00:00 GMT" {
		t.Errorf("Date %q, %v", header.Get("Date"), err)
	}
}

func TestHTTPSOnly(t *testing.T) {
	e := serve(t, Config{RequireHTTPS: true}).do("GET", "/api/v3/tasks/export", "")
	if e.Code != "27" || e.HTTP != 403 {
		t.Error(e.Raw)
	}
}

// The demo token may export its three queries into a collector, and nothing else.
func TestDemoToken(t *testing.T) {
	a := serve(t, Config{})
	a.ok("PUT", "/api/v3/stream/c/d?access_token=demo", "{}")
	a.ok("POST", "/api/v3/stream/export?access_token=demo", `{"start":"2024-01-01","stop":"2024-01-02","target":"d","query":"cats AND dogs"}`)
	if st := a.read("d", "&access_token=demo"); len(st.results) == 0 {
		t.Error("no results")
	}
}

func TestConfig_NamesEveryBadField(t *testing.T) {
	_, err := New(Config{DocumentsPerDay: -1, LimitBatch: -1, TaskDuration: -1, CreditsEnd: "gone", ExpiredOffsets: "x",
		Token: "demo", Projects: []Project{{}}, Streams: []Stream{}})
	for _, want := range []string{"DocumentsPerDay", "LimitBatch", "TaskDuration", "CreditsEnd", "ExpiredOffsets", "demo", "needs an id"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
}
