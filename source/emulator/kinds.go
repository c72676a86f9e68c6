package emulator

import "math"

// kind is a sort of document.
type kind uint8

const (
	kindX kind = iota
	kindNews
	kindBlog
	kindForum
	kindReview
	kindYouTube
	kindTikTok
	kindOther // broadcasts, podcasts, imported documents
	numKinds
)

// kinds describes the sorts of documents: how many of 1000 there are inside and outside of projects,
// how long their texts are (median and spread of a log-normal distribution, in bytes), and the
// source_type they come with. Together they give result lines of about 0.4, 3.1, 8.6 and 18.8 KB at the
// 10th, 50th, 90th and 99th percentile.
var kinds = [numKinds]struct {
	name            string
	project, global uint32
	median, sigma   float64
	longest         float64
	sourceType      string
	variants        []string
}{
	kindX:       {"TWITTER", 200, 0, 0, 0, 0, "SOCIALMEDIA_TWITTER", []string{`["SOCIALMEDIA","SOCIALMEDIA_TWITTER"]`}},
	kindNews:    {"NEWS", 215, 420, 0, 0, 0, "ONLINENEWS", []string{`["ONLINENEWS","ONLINENEWS_OTHER"]`, `["ONLINENEWS","ONLINENEWS_NEWSPAPER"]`, `["ONLINENEWS","ONLINENEWS_MAGAZINE"]`, `["ONLINENEWS","ONLINENEWS_AGENCY"]`, `["ONLINENEWS","ONLINENEWS_PRESSRELEASES"]`, `["ONLINENEWS","ONLINENEWS_TVRADIO"]`}},
	kindBlog:    {"BLOG", 255, 300, 4800, 0.66, 46700, "BLOG", []string{`["BLOG","BLOG_OTHER"]`}},
	kindForum:   {"FORUM", 140, 180, 1500, 0.8, 20000, "MESSAGEBOARD", []string{`["MESSAGEBOARD","MESSAGEBOARD_OTHER"]`}},
	kindReview:  {"REVIEW", 50, 60, 700, 0.8, 5000, "OTHER", []string{`["OTHER"]`, `"OTHER"`}},
	kindYouTube: {"YOUTUBE", 60, 0, 900, 0.7, 5000, "SOCIALMEDIA_YOUTUBE", []string{`["SOCIALMEDIA","SOCIALMEDIA_YOUTUBE"]`}},
	kindTikTok:  {"TIKTOK", 40, 0, 150, 0.6, 2200, "SOCIALMEDIA_TIKTOK", []string{`["SOCIALMEDIA","SOCIALMEDIA_TIKTOK"]`}},
	kindOther:   {"OTHER", 40, 40, 1200, 0.9, 15000, "BROADCAST", []string{`["BROADCAST","BROADCAST_TV"]`, `["PODCAST_OTHER"]`, `"BLOG"`, `["MONITOREDSITE","MONITOREDSITE_OTHER"]`}},
}

// kindOf draws a document's kind from its key.
func kindOf(key uint64, social bool) kind {
	x := uint32(mix(key) % 1000)
	for k := range numKinds {
		share := kinds[k].global
		if social {
			share = kinds[k].project
		}
		if x < share {
			return k
		}
		x -= share
	}
	return kindOther
}

// textLength draws the length of a text from its kind's distribution. One in 4096 has the longest.
func textLength(k kind, d *draw) int {
	x := d.n(4096)
	if x == 4095 {
		return int(kinds[k].longest)
	}
	z := math.Sqrt2 * math.Erfinv(2*(float64(x)+0.5)/4096-1)
	return int(min(kinds[k].median*math.Exp(kinds[k].sigma*z), kinds[k].longest))
}
