package pipeline

import (
	"testing"

	"tw2parquet/source"
)

// What the API is documented not to hand over (its restrictions page), by names that its documents have.
func TestReachOf(t *testing.T) {
	for name, want := range map[string]Reach{
		"SOCIALMEDIA_FACEBOOK": ReachNothing, "SOCIALMEDIA_INSTAGRAM": ReachNothing, "SOCIALMEDIA_TWITTER": ReachIDs, "socialmedia_twitter": ReachIDs,
		"ONLINENEWS": ReachCut, "ONLINENEWS_AGENCY": ReachCut, "BROADCAST_TV": ReachCut, "SOCIALMEDIA_REDDIT": ReachUncertain, "SOCIALMEDIA_DISQUS": ReachUncertain,
		"BLOG": ReachFull, "MESSAGEBOARD": ReachFull, "SOCIALMEDIA_YOUTUBE": ReachFull, "": ReachFull,
	} {
		if got := ReachOf(name); got != want {
			t.Errorf("%q: %s, want %s", name, got, want)
		}
	}
}

// A window that is covered or begun costs nothing more, and only what is counted is summed.
func TestNewPlan_PricesWhatIsLeft(t *testing.T) {
	var windows []Window
	var tallies []Tally
	for _, d := range []string{"2024-01-01", "2024-01-02", "2024-01-03"} {
		r := source.Request{Start: at(d + "T00:00:00Z"), Stop: at(d+"T00:00:00Z").AddDate(0, 0, 1), Limit: 5000, Generation: 1}
		windows = append(windows, Window{Request: r, Run: d})
		tallies = append(tallies, Tally{Start: r.Start, Stop: r.Stop, Results: 300, Sources: map[string]int64{"BLOG": 200, "SOCIALMEDIA_TWITTER": 60, "SOCIALMEDIA_FACEBOOK": 40}})
	}
	draft := Draft{Windows: windows, States: []State{StateCovered, StateBegun, StateToBuy}, Tallies: tallies, Calls: 2, FileSize: 100 << 10,
		Credits: source.Credits{RemainingMonthly: 200, RemainingOnetime: 59, RemainingX: 59}}
	p := NewPlan(draft)
	if *p.Results != 900 || *p.Credits != 260 || p.MaxCredits != 6000 || p.HistogramCredits != 20 || *p.X.Posts != 60 || *p.X.Left != 59 {
		t.Errorf("%+v", p)
	}
	if p.Fits || len(p.Reasons) != 2 { // one credit, and one post on X
		t.Errorf("%v: %q", p.Fits, p.Reasons)
	}
	if w := p.Windows[0]; *w.Files != 0 || *w.Bytes != 0 || *w.Credits != 0 || w.MaxCredits != 0 || *w.Results != 300 || *w.NotExportable != 40 {
		t.Errorf("covered: %+v", w)
	}
	if w := p.Windows[1]; *w.Files < 2 || *w.Bytes <= 100<<10 || *w.Credits != 0 || w.MaxCredits != 0 {
		t.Errorf("begun: %+v", w)
	}
	draft.Tallies = tallies[:2] // what is to buy is not counted
	if p = NewPlan(draft); p.Credits != nil || *p.Results != 600 || p.MaxCredits != 6000 || p.X.Posts != nil || p.Fits {
		t.Errorf("%+v", p)
	}
	draft.States[2] = StateCovered
	if p = NewPlan(draft); *p.Credits != 0 || !p.Fits {
		t.Errorf("%+v", p)
	}
}
