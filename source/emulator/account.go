package emulator

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Project is a Talkwalker project: documents of its own, social media included, sorted into topics.
type Project struct {
	ID, Name string
	Topics   []Topic
	Datasets []string
	// State is "" for a project that the token may use, "forbidden" for one it may not (code 29) and
	// "inactive" for one that was deleted (code 12). Any other id is not linked to the token (code 11).
	State string
}

// Topic selects a share of its project's documents. Topics overlap; every document is in one at least.
type Topic struct {
	ID, Title, Description string
	Group                  string  // title of its group; "" is the default group
	Share                  float64 // of the documents; 0 means 0.3
}

func (t *Topic) hash() uint64 { return hashString(t.ID) }

func defaultProjects(seed uint64) []Project {
	id := func(salt uint64, n int) string {
		d, b := draw(mix(seed^salt)), make([]byte, n)
		for i := range b {
			b[i] = idLetters[d.n(36)]
		}
		return string(b)
	}
	uuid := func(salt uint64) string {
		d := draw(mix(seed ^ salt))
		return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", d.next()>>32, d.next()>>48, d.next()>>48, d.next()>>48, d.next()>>16)
	}
	topic := func(n uint64, title, group string, share float64) Topic {
		return Topic{id(n, 8) + "_" + id(n+100, 13), title, "", group, share}
	}
	return []Project{
		{ID: uuid(1), Name: "Demo project", Datasets: []string{"dataset-1"}, Topics: []Topic{
			topic(10, "Brand", "", 0.55),
			topic(11, "Competitors ", "Market", 0.35),
			topic(12, "Café & Küche", "Market", 0.2),
			topic(13, "Crisis", "", 0.03),
		}},
		{ID: uuid(2), Name: "Somebody else's project", State: "forbidden"},
		{ID: uuid(3), Name: "Deleted project", State: "inactive"},
	}
}

// Projects returns the ids of the projects that the token may use.
func (s *Server) Projects() []string {
	var ids []string
	for _, p := range s.cfg.Projects {
		if p.State == "" {
			ids = append(ids, p.ID)
		}
	}
	return ids
}

// Topics returns the ids of those projects' topics.
func (s *Server) Topics() []string {
	var ids []string
	for _, p := range s.cfg.Projects {
		if p.State == "" {
			for _, t := range p.Topics {
				ids = append(ids, t.ID)
			}
		}
	}
	return ids
}

func (s *Server) project(id string) (*Project, *apiError) {
	for i := range s.cfg.Projects {
		p := &s.cfg.Projects[i]
		if p.ID != id {
			continue
		}
		switch p.State {
		case "":
			return p, nil
		case "inactive":
			return nil, fail(12, "appId", id)
		}
		return nil, fail(29)
	}
	return nil, fail(11, "appId", id)
}

// info is GET /api/v1/search/info.
func (c *call) info() (result, *apiError) {
	projects := []map[string]any{}
	for _, p := range c.s.cfg.Projects {
		if p.State == "" && c.token != TokenDemo {
			projects = append(projects, map[string]any{
				"id": p.ID, "name": p.Name, "account_id": "acc-1", "account_name": "Emulated account"})
		}
	}
	return result{key: "result_accinfo", value: map[string]any{"projects": projects}}, nil
}

// credits is GET /api/v1/status/credits.
func (c *call) credits() (result, *apiError) {
	s := c.s
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.settle(now)
	next := time.Date(now.Year(), now.Month()+1, 1, 3, 0, 0, 0, time.UTC)
	var history []map[string]any
	for i := range 6 {
		history = append(history, map[string]any{
			"date": next.AddDate(0, -2-i, 0).UnixMilli(), "used_monthly_credits": 500 + i, "used_onetime_credits": 0,
			"used_processing_credits": 0, "used_global_import_credits": 0})
	}
	return result{key: "result_creditinfo", value: map[string]any{
		"used_credits_monthly": s.spent, "used_credits_onetime": 0,
		"remaining_credits_monthly": s.cfg.Credits - s.spent, "remaining_credits_onetime": 0,
		"next_billing_period": next.UnixMilli(), "estimate_credits_used_until_end_of_billing_period": s.spent,
		"monthly_total": s.cfg.Credits, "used_credits_processing": 0, "remaining_allowance_processing": 0,
		"credits_history": history,
		"twitter_resyndication": map[string]any{"used_credits_monthly": 0, "used_credits_onetime": 0,
			"remaining_credits_monthly": s.cfg.XQuota, "remaining_credits_onetime": 0},
	}}, nil
}

// charge takes n credits, or as many as are left, and writes them into the ledger. The caller holds s.mu.
func (s *Server) charge(kind, task, target string, n int64, at time.Time) int64 {
	n = min(n, s.cfg.Credits-s.spent)
	if n > 0 {
		s.spent += n
		s.ledger.charge(Charge{Time: at, Kind: kind, Task: task, Target: target, Credits: n})
	}
	return n
}

// group is a group of topics in the two listings.
type group struct {
	title string
	items []*Topic
}

// groups sorts topics as the API lists them: the default group first.
func (p *Project) groups() []group {
	out := []group{{}}
	for i := range p.Topics {
		t := &p.Topics[i]
		g := slices.IndexFunc(out, func(g group) bool { return g.title == t.Group })
		if g < 0 {
			g = len(out)
			out = append(out, group{title: t.Group})
		}
		out[g].items = append(out[g].items, t)
	}
	return out
}

func groupID(i int) string {
	if i == 0 {
		return "default"
	}
	return fmt.Sprintf("group_%d", i)
}

// resources is GET /api/v2/talkwalker/p/{project}/resources.
func (c *call) resources() (result, *apiError) {
	p, apiErr := c.s.project(c.vars[0])
	if apiErr != nil {
		return result{}, apiErr
	}
	known := []string{"search", "filter", "page", "event", "panel", "dataset"}
	wanted := known
	if t := c.r.URL.Query().Get("type"); t != "" {
		wanted = strings.Split(t, ",")
	}
	project := map[string]any{"id": p.ID, "title": p.Name}
	for _, w := range wanted {
		switch w {
		case "search":
			var topics []any
			for i, g := range p.groups() {
				nodes := []any{}
				for _, t := range g.items {
					nodes = append(nodes, map[string]any{"id": t.ID, "title": t.Title, "description": t.Description})
				}
				if len(nodes) > 0 || c.r.URL.Query().Get("option") == "include_empty_categories" {
					topics = append(topics, map[string]any{"id": groupID(i), "title": g.title, "nodes": nodes})
				}
			}
			project["topics"] = topics
		case "filter":
			project["filters"] = []any{map[string]any{"id": "default", "title": "",
				"nodes": []any{map[string]any{"id": "filt1234_1a", "title": "News only", "description": ""}}}}
		case "page":
			project["channels"] = []any{}
		case "event", "panel":
			project[w+"s"] = []any{}
		case "dataset":
			nodes := []any{}
			for _, d := range p.Datasets {
				nodes = append(nodes, map[string]any{"id": d, "title": d, "description": ""})
			}
			project["datasets"] = []any{map[string]any{"id": "default", "title": "", "nodes": nodes}}
		default:
			return result{}, fail(5, "param", "type", "details", "one of "+strings.Join(known, ", "))
		}
	}
	return result{key: "result_resources", value: map[string]any{"projects": []any{project}}}, nil
}

// topics is GET /api/v2/talkwalker/p/{project}/topics/list, for all topics or one.
func (c *call) topics() (result, *apiError) {
	p, apiErr := c.s.project(c.vars[0])
	if apiErr != nil {
		return result{}, apiErr
	}
	one, found := "", true
	if len(c.vars) > 1 {
		one, found = c.vars[1], false
	}
	key := "result_topics"
	if one != "" {
		key = "result_topic_details"
	}
	var categories []any
	for i, g := range p.groups() {
		var queries []any
		for _, t := range g.items {
			if one == "" || t.ID == one {
				found = true
				queries = append(queries, map[string]any{"id": t.ID, "title": t.Title, "included_queries": []string{t.Title},
					"excluded_queries": []string{}, "created_ts": 1600000000000, "updated_ts": 1650000000000})
			}
		}
		if len(queries) > 0 {
			categories = append(categories, map[string]any{"id": groupID(i), "title": g.title, "query_topics": queries})
		}
	}
	if !found {
		return result{}, fail(5, "param", "topic", "details", "no such topic in this project")
	}
	return result{key: key, value: map[string]any{"topic_categories": categories, "filter_categories": []any{}}}, nil
}
