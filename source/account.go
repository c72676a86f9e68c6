package source

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Credits is the account's budget. Members that the server left out are 0.
type Credits struct {
	UsedMonthly, UsedOnetime           int64
	RemainingMonthly, RemainingOnetime int64
	MonthlyTotal, EstimatedUse         int64           // EstimatedUse: until the end of the billing period
	RemainingX                         int64           // posts on X that may still be handed over; -1 if not told
	NextBilling                        time.Time       // zero if not told
	Raw                                json.RawMessage // the object as sent, without the token
}

// Spendable is what an export may cost: monthly and one-time credits together.
func (c Credits) Spendable() int64 { return c.RemainingMonthly + c.RemainingOnetime }

// Credits asks for the account's budget; free, ten calls a minute.
func (c *Client) Credits(ctx context.Context) (Credits, error) { return c.credits(ctx, c.do) }

// CreditsOnce is Credits without a second attempt: for those who can do without.
func (c *Client) CreditsOnce(ctx context.Context) (Credits, error) { return c.credits(ctx, c.attempt) }

func (c *Client) credits(ctx context.Context, ask func(context.Context, call) (object, error)) (Credits, error) {
	k := call{method: http.MethodGet, path: "/api/v1/status/credits", template: "/api/v1/status/credits", limit: c.limits.credits}
	o, err := ask(ctx, k)
	if err != nil {
		return Credits{}, err
	}
	info := o.object("result_creditinfo")
	if info == nil {
		return Credits{}, c.unexpected(k.op(), o, "the answer holds no credits")
	}
	n := func(key string) int64 { v, _ := info.integer(key); return v }
	x := int64(-1)
	if quota := info.object("twitter_resyndication"); quota != nil {
		used, left := quota.count("used_credits_monthly")+quota.count("used_credits_onetime"), quota.count("remaining_credits_monthly")+quota.count("remaining_credits_onetime")
		if used+left > 0 { // all zero: an account without such a quota
			x = left
		}
	}
	return Credits{
		RemainingX:  x,
		UsedMonthly: n("used_credits_monthly"), UsedOnetime: n("used_credits_onetime"),
		RemainingMonthly: n("remaining_credits_monthly"), RemainingOnetime: n("remaining_credits_onetime"),
		MonthlyTotal: n("monthly_total"), EstimatedUse: n("estimate_credits_used_until_end_of_billing_period"),
		NextBilling: info.when("next_billing_period"), Raw: info.raw(),
	}, nil
}

// Project is a project that the token may use.
type Project struct {
	ID, Name, AccountID, AccountName string
	Raw                              json.RawMessage
}

// Projects lists the token's projects; free, ten calls a minute.
func (c *Client) Projects(ctx context.Context) ([]Project, error) {
	k := call{method: http.MethodGet, path: "/api/v1/search/info", template: "/api/v1/search/info", limit: c.limits.info}
	o, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	info := o.object("result_accinfo")
	if info == nil {
		return nil, c.unexpected(k.op(), o, "the answer holds no projects")
	}
	var list []Project
	for _, p := range info.list("projects") {
		list = append(list, Project{ID: p.text("id"), Name: p.text("name"), AccountID: p.text("account_id"),
			AccountName: p.text("account_name"), Raw: p.raw()})
	}
	return list, nil
}

// Resource is a topic, filter, channel or the like of a project.
type Resource struct {
	Kind           string // singular: topic, filter, channel, page, event, panel, dataset
	GroupID, Group string // the group "default" has no title
	ID, Title      string
	Description    string
}

// Resources lists a project's resources of the given types (the API's: search for topics, filter, page,
// event, panel, dataset; none for all); free, twenty calls a minute.
func (c *Client) Resources(ctx context.Context, project string, types ...string) ([]Resource, error) {
	if err := checkID(serverID, "project", project); err != nil {
		return nil, err
	}
	k := call{method: http.MethodGet, path: "/api/v2/talkwalker/p/" + project + "/resources",
		template: "/api/v2/talkwalker/p/{id}/resources", limit: c.limits.resources}
	if len(types) > 0 {
		k.query = url.Values{"type": {strings.Join(types, ",")}}
	}
	o, err := c.do(ctx, k)
	if err != nil {
		return nil, err
	}
	result := o.object("result_resources")
	if result == nil {
		return nil, c.unexpected(k.op(), o, "the answer holds no resources")
	}
	var list []Resource
	for _, p := range result.list("projects") {
		for _, kind := range []string{"topic", "filter", "channel", "page", "event", "panel", "dataset"} {
			for _, group := range p.list(kind + "s") {
				list = append(list, resourcesOf(kind, group)...)
			}
		}
	}
	return list, nil
}

// resourcesOf lists a group's nodes; an entry without nodes is a resource itself.
func resourcesOf(kind string, group object) []Resource {
	if _, grouped := group["nodes"]; !grouped {
		return []Resource{{Kind: kind, ID: group.text("id"), Title: group.text("title"), Description: group.text("description")}}
	}
	var list []Resource
	for _, n := range group.list("nodes") {
		list = append(list, Resource{Kind: kind, GroupID: group.text("id"), Group: group.text("title"),
			ID: n.text("id"), Title: n.text("title"), Description: n.text("description")})
	}
	return list
}

// The times a histogram can count by: when a document was published, which is what exports go by, and when it
// could be found first.
const (
	ByPublished     = "published"
	BySearchIndexed = "search_indexed"
)

// HistogramRequest asks how many documents of a project match, per bin of time.
type HistogramRequest struct {
	By               string // ByPublished if empty
	Project, Query   string
	Topics, Datasets []string
	Start, Stop      time.Time // half open, like an export
	Interval         string    // "day", "2w", "720d"; longer than the range gives one bin
	Breakdown        string    // "" or sentiment, sourcetype, country, topic, channel
}

// Histogram is the API's estimate; it includes sources that cannot be exported.
type Histogram struct {
	Header []string // names of the values of a bin, empty without a breakdown
	Bins   []Bin
}

// Bin counts documents from Start on.
type Bin struct {
	Start  time.Time
	Values []int64
}

// Total sums every bin. With a breakdown by topic a document counts once per topic.
func (h Histogram) Total() int64 {
	var sum int64
	for _, bin := range h.Bins {
		for _, n := range bin.Values {
			sum += n
		}
	}
	return sum
}

// HistogramCredits is the price of one histogram call (Talkwalker API, credits page).
const HistogramCredits = 10

// Histogram counts documents per bin of time. It costs HistogramCredits a call, and is therefore
// repeated only where the server certainly did not answer it. Thirty calls a minute.
func (c *Client) Histogram(ctx context.Context, req HistogramRequest) (Histogram, error) {
	if err := errors.Join(checkID(serverID, "project", req.Project), checkRange(req.Start, req.Stop)); err != nil {
		return Histogram{}, err
	}
	query := url.Values{
		"min": {strconv.FormatInt(req.Start.UnixMilli(), 10)}, "max": {strconv.FormatInt(req.Stop.UnixMilli(), 10)},
		"min_include": {"true"}, "max_include": {"false"}, "timezone": {"UTC"},
	}
	for key, values := range map[string][]string{"q": {req.Query}, "interval": {req.Interval}, "breakdown": {req.Breakdown},
		"topic": req.Topics, "dataset": req.Datasets} {
		if len(values) > 0 && values[0] != "" {
			query[key] = values
		}
	}
	by := cmp.Or(req.By, ByPublished)
	if by != ByPublished && by != BySearchIndexed {
		return Histogram{}, &Error{Class: ClassUsage, Message: fmt.Sprintf("histogram by %q: use %s or %s", by, ByPublished, BySearchIndexed)}
	}
	k := call{method: http.MethodGet, path: "/api/v1/search/p/" + req.Project + "/histogram/" + by,
		template: "/api/v1/search/p/{id}/histogram/" + by, query: query, limit: c.limits.histogram, retries: retryPaid}
	o, err := c.do(ctx, k)
	if err != nil {
		return Histogram{}, err
	}
	result := o.object("result_histogram")
	if result == nil {
		return Histogram{}, c.unexpected(k.op(), o, "the answer holds no histogram")
	}
	var h Histogram
	for _, raw := range result.object("header").raws("v") {
		h.Header = append(h.Header, object{"v": raw}.text("v"))
	}
	for _, data := range result.list("data") {
		bin := Bin{Start: data.when("t")}
		if n, ok := data.integer("v"); ok { // a bare number, without a breakdown
			bin.Values = []int64{n}
		}
		for _, raw := range data.raws("v") {
			bin.Values = append(bin.Values, object{"v": raw}.count("v"))
		}
		h.Bins = append(h.Bins, bin)
	}
	return h, nil
}

func checkRange(start, stop time.Time) error {
	if start.IsZero() || !start.Before(stop) {
		return &Error{Class: ClassUsage, Message: "range: stop must be after start"}
	}
	return nil
}
