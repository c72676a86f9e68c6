package pipeline

import "strings"

// Reach is what an export hands over of a source type.
type Reach string

// The kinds of reach (Talkwalker API, restrictions). What is not listed there counts as ReachFull.
const (
	ReachFull      Reach = "full"
	ReachCut       Reach = "cut"       // the first words of the content
	ReachIDs       Reach = "ids"       // post and author ids alone; they count against the quota of posts on X
	ReachUncertain Reach = "uncertain" // depends on contracts with providers, and has changed over time
	ReachNothing   Reach = "nothing"   // histograms count it, exports do not hand it over
)

// reaches are parts of the API's names of source types; the first that is found counts.
var reaches = []struct {
	part  string
	reach Reach
}{
	{"FACEBOOK", ReachNothing}, {"INSTAGRAM", ReachNothing},
	{"TWITTER", ReachIDs},
	{"REDDIT", ReachUncertain}, {"TIKTOK", ReachUncertain}, {"LINKEDIN", ReachUncertain}, {"WEIBO", ReachUncertain}, {"DISQUS", ReachUncertain}, {"MONITOREDSITE", ReachUncertain},
	{"ONLINENEWS", ReachCut}, {"BROADCAST", ReachCut},
}

// ReachOf is what an export hands over of a source type.
func ReachOf(sourceType string) Reach {
	for _, r := range reaches {
		if strings.Contains(strings.ToUpper(sourceType), r.part) {
			return r.reach
		}
	}
	return ReachFull
}

// hidden are the results that exports do not hand over, and that nobody pays for.
func (t *Tally) hidden() int64 {
	var n int64
	for name, results := range t.Sources {
		if ReachOf(name) == ReachNothing {
			n += results
		}
	}
	return n
}
