package pipeline

import "strings"

// Reach is what an export hands over of a source type.
type Reach string

// The kinds of reach (Talkwalker API, restrictions). What is not listed there counts as Full.
const (
	Full      Reach = "full"
	Cut       Reach = "cut"       // the first words of the content
	IDs       Reach = "ids"       // post and author ids alone; they count against the quota of posts on X
	Uncertain Reach = "uncertain" // depends on contracts with providers, and has changed over time
	Nothing   Reach = "nothing"   // histograms count it, exports do not hand it over
)

// reaches are parts of the API's names of source types; the first that is found counts.
var reaches = []struct {
	part  string
	reach Reach
}{
	{"FACEBOOK", Nothing}, {"INSTAGRAM", Nothing},
	{"TWITTER", IDs},
	{"REDDIT", Uncertain}, {"TIKTOK", Uncertain}, {"LINKEDIN", Uncertain}, {"WEIBO", Uncertain}, {"DISQUS", Uncertain}, {"MONITOREDSITE", Uncertain},
	{"ONLINENEWS", Cut}, {"BROADCAST", Cut},
}

// ReachOf is what an export hands over of a source type.
func ReachOf(sourceType string) Reach {
	for _, r := range reaches {
		if strings.Contains(strings.ToUpper(sourceType), r.part) {
			return r.reach
		}
	}
	return Full
}

// hidden are the results that exports do not hand over, and that nobody pays for.
func (t *Tally) hidden() int64 {
	var n int64
	for name, results := range t.Sources {
		if ReachOf(name) == Nothing {
			n += results
		}
	}
	return n
}
