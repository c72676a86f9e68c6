package emulator

// articleNumbers are the documented and observed counters of article_extended_attributes
// (Talkwalker API, attributes page).
var articleNumbers = [...]string{
	"facebook_shares", "facebook_likes", "twitter_retweets", "twitter_likes", "twitter_shares", "url_views",
	"pinterest_likes", "pinterest_pins", "pinterest_repins", "youtube_views", "youtube_likes", "youtube_dislikes",
	"linkedin_shares", "linkedin_likes", "dailymotion_views", "vkontakte_likes", "vkontakte_shares", "instagram_likes",
	"num_comments", "google_my_business_likes", "twitter_replies", "twitter_quote_tweets", "twitter_impressions",
	"twitter_video_views", "twitter_followers", "tiktok_views", "tiktok_likes", "tiktok_shares", "douyin_collect",
	"douyin_share_num", "douyin_video_likes", "linkedin_impression", "facebook_reactions_total", "facebook_reactions_haha",
	"facebook_reactions_angry", "facebook_reactions_sad", "facebook_reactions_love", "facebook_reactions_wow",
	"facebook_followers", "facebook_group_members", "pinterest_followers", "instagram_followers", "alexa_pageviews",
	"alexa_unique_visitors", "semrush_pageviews", "semrush_unique_visitors",
}

// metrics writes engagement, reach and the counters, all of which NEW copies lack.
func (p *page) metrics() {
	p.int(`,"engagement":`, p.count(18))
	p.int(`,"reach":`, p.count(34))
	if p.d.chance(1) {
		p.int(`,"trending_score":`, int64(p.d.n(50)))
	}
	switch p.t.kind {
	case kindYouTube:
		p.int(`,"article_extended_attributes":{"youtube_views":`, p.count(33))
		p.int(`,"youtube_likes":`, p.count(24))
		p.int(`,"youtube_dislikes":`, p.count(12))
		p.int(`,"num_comments":`, p.count(16))
	case kindTikTok:
		p.int(`,"article_extended_attributes":{"tiktok_views":`, p.count(33))
		p.int(`,"tiktok_likes":`, p.count(26))
		p.int(`,"tiktok_shares":`, p.count(20))
	default:
		if p.d.chance(25) {
			return
		}
		p.int(`,"article_extended_attributes":{"facebook_shares":`, p.count(16))
		if p.d.chance(60) {
			p.int(`,"twitter_shares":`, p.count(14))
		}
		if p.d.chance(10) {
			first := p.d.n(len(articleNumbers))
			for i := range 1 + p.d.n(6) {
				name := articleNumbers[(first+i)%len(articleNumbers)]
				if name == "facebook_shares" || name == "twitter_shares" {
					continue
				}
				p.raw(`,"`)
				p.raw(name)
				p.int(`":`, p.count(40))
			}
		}
	}
	p.raw("}")
}
