package emulator

import (
	"math"
	"slices"
	"strings"
)

// language makes text that looks like one: frequent short words, a long tail of rare ones, sentences,
// quotes, emoji. All strings are escaped for JSON, so text is appended without another look at it.
type language struct {
	code  string
	share uint32 // of 1000 documents
	home  uint8  // index into places
	plain []string
	words [2048]word  // with the separator; frequent words fill many entries
	text  []byte      // of the words, with padding
	first [256]string // begin a sentence
	stop  string
}

// word is text[at:at+n] of a language. Most of what the emulator does is copying words, so that is cheap: of each,
// padding bytes are copied at once, whatever its length, and the rest of a longer one then.
type word struct{ at, n uint32 }

const padding = 32

// tongue is what a language is made of: its frequent words and the syllables of the others.
type tongue struct {
	code, stop, space string
	share             uint32
	home              uint8
	frequent          string
	syllables         string
}

var tongues = [...]tongue{
	{"en", ". ", " ", 360, 0, "the of and to in a is that for it as was with be by on not he his but at are this have from or had an they which one you were all her she there would their we him been has when who will no more if out so said what up its about than into them can only other new some could time these two may then do first any my now such like our over man me even most made after also did many before must through years where much your way well down should because each just those people how too little state good very make world still own see men work long get here between both life being under never day same another know while last might us great old year off come since against go came right used take three", "ab ac ad an ar at bel ber ble bo bra ca cen cer ci cle con cor cu da de den der di dis do duc el em en er es ex fa fer fi for ful ga ge gra ha he hi ho ic im in ing ion is it ju ky la ler li lo ly ma ment mi mo na ness ni no ob on or ous par pen per pi pla po pre pro qua ra re ri ro sa se sen ser sha si so sta ster su ta te ter ti tion to tra tri tu un ur va ver vi vo wa wi wor ye"},
	{"de", ". ", " ", 130, 1, "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war haben nur oder aber vor zur bis mehr durch man sein wurde sei hatte kann gegen vom können schon wenn habe seine ihre dann unter wir soll ich eines jahr zwei jahren diese dieser wieder keine uhr seiner worden will zwischen immer was sagte gibt alle seit muss doch jetzt drei neue damit bereits da ihr seinen müssen ab ihrer sondern selbst ersten nun etwa heute weil ihm menschen deutschland anderen", "ab auf bach be ben berg burg che den der ein er fall feld fer ge gen ger ha haft halt hei heit ig isch kei keit land lich lie lin ma men nach nis ober ord rech ren rich ru schaft schen schl sel sen stadt stel straß ta te teil trag tum tung um un ver vor wal weg wer wi zeit zel zu äch ör über"},
	{"fr", ". ", " ", 100, 2, "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec ont cette on aux été comme mais elle ou leur son fait sa être deux ans ces ses nous tout même y bien encore aussi depuis après peut sans ils entre donc fois quand très où dont contre était ainsi avant années premier sous moins tous lui jour monde faire temps dit selon vie trois alors france", "ac al ance ar au bel bou bre cé cer ché com con cou dé dis eau ef en er et eur fa fé fin ga ge gne ier il in ion is jour la lé lier lon ma mé ment mi mon nal né nou on or our par pé plai pou pré qué ra ré rien rou sa sé seur sion son ta té teur tion tour tra tre va vé vil voi"},
	{"es", ". ", " ", 100, 3, "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué sólo han yo hay vez puede todos así nos ni parte tiene él uno donde bien tiempo mismo ese ahora cada vida otro después te otros aunque esa eso hace otra gobierno tan durante siempre día tanto ella tres sí dijo sido gran país según menos mundo año antes estado", "al ar ba be bra ca can ce ci cho cio ción co com con cu da de des di do dor el en er es fa fi ga go gra gue ha in ja la le les li lla lo lu ma mar men mi mo na ne ni no nue ño or pa per pi po pre pro que ra re ri ro rra sa se si so ta te ti to tra tu va ven vi vo za"},
	{"ja", "。", "", 60, 4, "の に は を た が で て と し れ さ ある いる も する から な こと として い や れる など なっ ない この ため その あっ よう また もの という あり まで られ なる へ か だ これ によって により おり より による ず なり られる において 日本 東京 年 月 日 人 会社 時間 今日 明日 世界 新しい 大きい 写真 動画 音楽 映画", "あ い う え お か き く け こ さ し す せ そ た ち つ て と な に ね の は ひ ふ ま み む め も や ゆ よ ら り る れ ろ わ ア イ ウ エ オ カ キ ク サ シ ス タ チ ト ナ ニ ノ ハ フ マ ミ メ ラ リ ル レ ロ ン ー 山 川 田 中 本 上 下 大 小 学 生 先 電 車 駅 国 語 社 会 員 部 店 食 飲 買 売 高 安 新 古 良 春 夏 秋 冬 朝 夜 雨 雪 海 空"},
	{"ar", ". ", " ", 50, 5, "في من على إلى أن عن التي الذي هذا هذه مع كان ما لا كل بين بعد قد ذلك كما أو لم هو هي عند قبل حتى يكون ثم غير منذ خلال حيث كانت وقد أكثر اليوم العام العالم دولة رئيس قال عام مدينة شركة جديد كبير", "ال با تا دا را سا شا عا فا قا كا لا ما نا ها يا مد مس مع من تح تر تق جم حر خل دي رو زي سل شر صد ضي طر ظه عل غر فر قر كت لم مو نو هد ور ية ات ون ين"},
	{"ru", ". ", " ", 60, 6, "и в не на я быть он с что а по это она этот к но они мы весь который из у то за свой так от же для один год такой тот мочь ты время человек сказать день жизнь новый большой мир дело рука раз где самый очень город работа слово место после друг страна", "а бо ва ве во га го да де до ен же за зи ка ки ко ла ле ли ло ма ме ми мо на не ни но об от па пе по пра при ра ре ри ро са се ска сте ста та те ти то тра у фа хо ца че ша щи ый ость ение ство"},
	{"zh", "。", "", 40, 7, "的 一 是 在 不 了 有 和 人 这 中 大 为 上 个 国 我 以 要 他 时 来 用 们 生 到 作 地 于 出 就 分 对 成 会 可 主 发 年 动 同 工 也 能 下 过 子 说 产 种 面 而 方 后 多 定 行 学 法 所 民 得 经 公司 中国 市场 产品 我们 今天 手机 视频", "天 地 水 火 木 金 土 日 月 星 风 云 雨 雪 山 河 海 湖 花 草 树 鸟 鱼 马 牛 羊 车 船 路 桥 城 市 村 家 门 房 书 笔 纸 字 画 歌 舞 戏 茶 酒 饭 菜 米 面 衣 鞋 帽 红 黄 蓝 绿 白 黑 高 低 长 短 新 旧 快 慢 冷 热 好 坏"},
	{"pt", ". ", " ", 40, 8, "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era depois sem mesmo aos ter seus quem nas me esse eles estão você tinha foram essa num nem suas meu às minha têm", "a al ão bar bo ca ção co con da de des di do dor em en es fa fi gen ga gra in ja la le lha lo ma men mi mo na ne nho no or pa per po pra pre que ra re ri ro sa se si so ta te ti to tra tu va ven vi vo xa za"},
	{"it", ". ", " ", 25, 9, "di che e la il un a per in una mi sono ho non ma lo ha le si ti i con cosa se io come da ci no questo qui hai sei del bene tu sì me più al mio perché lei solo te era gli tutto della così mia ne questa fare quando ora fatto essere so mai chi o alla tutti molto dei anche detto quello va niente", "a al an ar ba bel ca ce che chi ci co con cu da de di do el en er fa fi fo ga gio glia gno go gra la le li lo ma men mi mo na ne ni no o pa pe per pi po pre pro ra re ri ro sa sce se si so sta ta te ti to tra tu va ve vi vo za zio"},
	{"ko", ". ", " ", 20, 10, "이 그 저 것 수 등 들 및 에서 있는 있다 하는 한다 대한 위해 통해 오늘 내일 우리 사람 시간 한국 서울 새로운 좋은 많은 정말 너무 그리고 하지만", "가 나 다 라 마 바 사 아 자 차 카 타 파 하 거 너 더 러 머 버 서 어 저 고 노 도 로 모 보 소 오 조 구 누 두 루 무 부 수 우 주 기 니 디 리 미 비 시 이 지 은 는 을 를 인 한 국 학 생 회 사 전 동 장 대 일 월 정 성"},
	{"th", " ", " ", 15, 11, "ที่ และ ใน การ ของ มี ได้ เป็น ให้ ว่า ไม่ จะ กับ จาก นี้ ไป มา แต่ หรือ คน ปี วัน ไทย ใหม่ มาก", "กา ขา คา งา จา ชา ดา ตา ทา นา บา ปา พา มา ยา รา ลา วา สา หา กิน ขึ้น คิด ชอบ ดี ทำ น้ำ บ้าน ผม พูด มือ รัก เรียน เล่น สวย"},
}

// newLanguages builds the tables; it always builds the same ones.
func newLanguages() []*language {
	all := make([]*language, 0, len(tongues))
	for i := range tongues {
		all = append(all, newLanguage(&tongues[i]))
	}
	return all
}

func newLanguage(t *tongue) *language {
	l := &language{code: t.code, share: t.share, home: t.home, stop: t.stop}
	d := draw(hashString(t.code))
	frequent, syllables := strings.Fields(t.frequent), strings.Fields(t.syllables)
	rare := make([]string, 1024)
	for i := range rare {
		n := 2 + d.n(3)
		if t.space == "" {
			n = 1 + d.n(3)
		}
		for range n {
			rare[i] += syllables[d.n(len(syllables))]
		}
	}
	l.plain = append(append(l.plain, frequent...), rare...)
	var words [len(l.words)]string
	// Zipf's law for the frequent half, every rare word once in the other.
	at := 0
	for rank := 0; at < 1024; rank++ {
		n := int(math.Ceil(160 / (float64(rank%len(frequent)) + 2.7)))
		for ; n > 0 && at < 1024; n-- {
			words[at] = frequent[rank%len(frequent)] + t.space
			at++
		}
	}
	for i, w := range rare {
		words[1024+i] = w + t.space
	}
	for i, s := range specials {
		words[2047-i*5] = s + t.space
	}
	places := map[string]word{}
	for i, w := range words {
		if _, there := places[w]; !there {
			places[w] = word{uint32(len(l.text)), uint32(len(w))}
			l.text = append(l.text, w...)
		}
		l.words[i] = places[w]
	}
	l.text = append(l.text, make([]byte, padding)...)
	for i := range l.first {
		w := l.plain[d.n(len(l.plain))]
		l.first[i] = strings.ToUpper(w[:1]) + w[1:] + t.space
		if w[0] >= 0x80 {
			l.first[i] = w + t.space
		}
	}
	return l
}

// specials are what makes text awkward: JSON escapes, HTML, emoji, characters outside of the BMP, words
// that look like chunks.
var specials = [...]string{
	`\"`, `\"quote\"`, `😀`, `\ud83d\udc4d`, `R\u0026D`, `C:\\temp`, `👨‍👩‍👧‍👦`, `don't`, `<b>`, `&amp;`, `1,234.50 €`, `#hashtag`,
	`@someone`, `https://t.example/x?a=1&b=2`, `a\tb`, `½`, `naïve`, `{\"chunk_type\":\"CT_CONTROL\"}`, `🇱🇺`, `𝒳`, `\u00e9t\u00e9`, `100%`, `\/`,
}

// languageOf maps a draw of 1000 to a language.
func languageOf(x uint32) uint8 {
	for i := range tongues {
		if x < tongues[i].share {
			return uint8(i)
		}
		x -= tongues[i].share
	}
	return 0
}

func (l *language) appendWord(dst []byte, w word) []byte {
	if cap(dst)-len(dst) < padding {
		dst = slices.Grow(dst, padding)
	}
	if w.n > padding {
		return append(dst, l.text[w.at:w.at+w.n]...)
	}
	copy(dst[len(dst):len(dst)+padding], l.text[w.at:w.at+padding])
	return dst[:len(dst)+int(w.n)]
}

// appendText appends sentences until n bytes are there, and ends with a whole sentence.
func (l *language) appendText(dst []byte, d *draw, n int, paragraphs bool) []byte {
	for end := len(dst) + n; len(dst) < end; {
		x := d.next()
		dst = append(dst, l.first[x&255]...)
		count := 5 + int(x>>8&15)
		for count > 0 {
			y := d.next()
			for k := 0; k < 5 && count > 0; k++ {
				dst = l.appendWord(dst, l.words[y&2047])
				y >>= 11
				count--
			}
		}
		dst = l.trim(dst)
		dst = append(dst, l.stop...)
		if paragraphs && x>>16&7 == 0 {
			dst = append(dst, `\n\n`...)
		}
	}
	return dst
}

// appendWords appends n words without specials, for titles and phrases.
func (l *language) appendWords(dst []byte, d *draw, n int) []byte {
	for i := range n {
		if i > 0 && l.stop != "。" {
			dst = append(dst, ' ')
		}
		x := d.next()
		if x&1 == 0 {
			x >>= 1
			dst = append(dst, l.plain[x%64%uint64(len(l.plain))]...)
			continue
		}
		dst = append(dst, l.plain[(x>>1)%uint64(len(l.plain))]...)
	}
	return dst
}

func (l *language) trim(dst []byte) []byte {
	if n := len(dst); n > 0 && dst[n-1] == ' ' {
		return dst[:n-1]
	}
	return dst
}

// cutCharacters returns how many bytes of JSON-escaped text hold its first n characters.
func cutCharacters(text []byte, n int) int {
	i := 0
	for ; n > 0 && i < len(text); n-- {
		switch {
		case text[i] == '\\' && text[i+1] == 'u':
			i += 6
			if i+1 < len(text) && text[i] == '\\' && text[i+1] == 'u' && text[i+2] == 'd' && text[i+3] >= 'c' {
				i += 6
			}
		case text[i] == '\\':
			i += 2
		default:
			i++
			for i < len(text) && text[i]&0xc0 == 0x80 {
				i++
			}
		}
	}
	return min(i, len(text))
}
