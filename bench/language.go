package bench

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	vocabularySize = 30000
	phraseCount    = 16000
)

// language is a vocabulary with the little grammar that shows in bytes: blanks or none, the marks that
// end a sentence, capitals or none.
type language struct {
	code, countryCode, country, continent, city, longitude, latitude string

	words, capitals []string // by rank; capitals[i] is words[i] with a capital first letter
	phrases         []string // set phrases of two to six words, by rank
	blank           string
	comma           string
	stops           []string
	prose           *stock // real texts, if the corpus is made of them
}

// script is what words of a language are made of.
type script struct {
	code, countryCode, country, continent, city, longitude, latitude string

	weight    int // documents in a hundred
	frequent  string
	onsets    string
	nuclei    string
	codas     string
	endings   string
	runes     [2]rune // instead of syllables: a range to pick letters from
	letters   int     // how many of the range are in use
	noBlanks  bool
	ownStops  bool // 。、 instead of . ,
	quietCase bool // no capitals
}

// scripts yields the languages of the corpus. Onsets, nuclei, codas and endings are made up in the
// manner of the language; its most frequent words are real, because they are what a reader recognises.
func scripts() []script {
	return []script{
		{code: "en", weight: 40, countryCode: "us", country: "United States", continent: "North America", city: "Washington D.C.", longitude: "-77.0363998", latitude: "38.8951111",
			frequent: "the of and to a in is that for it on was with as be this are by at from or have not you they we but an his her which their has will more one about if can out so what up when who all do no there had been its than other some time into only could new them my over me",
			onsets:   "b c d f g h j l m n p r s t v w br cr dr fr gr pr tr bl cl fl pl st sp ch th wh", nuclei: "a e i o u a e i o ea ou ai", codas: " n r s t l d m nd st ng ll", endings: "s ed ing er ly tion ness ment able ity"},
		{code: "de", weight: 10, countryCode: "de", country: "Germany", continent: "Europe", city: "Berlin", longitude: "13.4105300", latitude: "52.5243683",
			frequent: "die der und in zu den das nicht von sie ist des sich mit dem dass er es ein ich auf so eine auch als an nach wie im für man aber aus durch wenn nur war noch werden bei hat wir was wird sein einen welche sind oder um haben einer mir über ihm diese einem ihr uns da zum zur kann doch vor",
			onsets:   "b d f g h k l m n p r s t w z br dr fr gr kr tr bl fl gl kl pl st sp sch schl pf zw", nuclei: "a e i o u ä ö ü ei au ie eu", codas: " n r s t l ch nd st ng rt cht ss tz", endings: "en er ung heit keit lich isch te ten schaft"},
		{code: "fr", weight: 9, countryCode: "fr", country: "France", continent: "Europe", city: "Paris", longitude: "2.3488000", latitude: "48.8534088",
			frequent: "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il sont avec son aux d'un cette d'une ont ses mais comme on tout nous sa ou leur été fait elle deux entre même ces dont aussi c'est y était si sans",
			onsets:   "b c d f g j l m n p r s t v br cr dr fr gr pr tr bl cl fl pl qu ch gn", nuclei: "a e i o u é è ê ou ai eau eu oi", codas: " n r s t l x c nt rd", endings: "ment tion eur euse ique able er é és ait"},
		{code: "es", weight: 10, countryCode: "es", country: "Spain", continent: "Europe", city: "Madrid", longitude: "-3.7025599", latitude: "40.4165001",
			frequent: "de la que el en y a los se del las un por con no una su para es al lo como más o pero sus le ha me si sin sobre este ya entre cuando todo esta ser son dos también fue había era muy años hasta desde está mi porque qué sólo han yo hay vez puede todos",
			onsets:   "b c d f g h j l m n p r s t v br cr dr fr gr pr tr bl cl fl pl ll ñ qu ch", nuclei: "a e i o u á é í ó ú ie ue", codas: " n r s l d", endings: "ción mente dad ado ada ando iendo es os as"},
		{code: "it", weight: 4, countryCode: "it", country: "Italy", continent: "Europe", city: "Rome", longitude: "12.5113297", latitude: "41.8919296",
			frequent: "di che è e la il un a per in una mi sono ho non ma lo ha le si ti i con cosa se io come da ci no questo qui hai sei del bene tu sì me più al mio perché lei solo te era gli tutto della così",
			onsets:   "b c d f g l m n p r s t v br cr dr fr gr pr tr st sp sc gl gn qu ch", nuclei: "a e i o u ia io à ò", codas: " n r l s", endings: "zione mente are ere ire ato ata tà ino etto"},
		{code: "pt", weight: 5, countryCode: "br", country: "Brazil", continent: "South America", city: "Brasília", longitude: "-47.9297218", latitude: "-15.7797203",
			frequent: "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso ela entre era",
			onsets:   "b c d f g j l m n p r s t v br cr dr fr gr pr tr lh nh qu ch", nuclei: "a e i o u ã õ ê á ó ei ou", codas: " n r s l m", endings: "ção mente dade ado ada ando ões ar er os"},
		{code: "ru", weight: 4, countryCode: "ru", country: "Russia", continent: "Europe", city: "Moscow", longitude: "37.6155586", latitude: "55.7522202",
			frequent: "и в не на я что он с как это по но из у за вы так же от бы то она мы к о для все ты его был если уже или когда да быть нет со есть где при до они ее только еще мне было",
			onsets:   "б в г д ж з к л м н п р с т ф х ц ч ш бр вр гр др кр пр тр ст сл зн", nuclei: "а е и о у я ю ё ы", codas: " н р с т л д м к й сть", endings: "ть ая ый ого ение ость ами ский ные ал"},
		{code: "ar", weight: 4, countryCode: "eg", country: "Egypt", continent: "Africa", city: "Cairo", longitude: "31.2497101", latitude: "30.0626297", quietCase: true,
			frequent: "في من على إلى أن ما لا هذا مع كان عن هو هذه التي بعد كل ذلك بين أو قال لم كما عند يوم قد حتى ثم وقد غير هناك أي منذ",
			onsets:   "ال م ت ي س ب ك ن ف و ل ر د ع ح ج ش ق ط ص خ", nuclei: "ا و ي ر ل ن م س ب", codas: " ة ت ن ر ل م د ق", endings: "ات ون ين ها هم ية نا ه"},
		{code: "hi", weight: 2, countryCode: "in", country: "India", continent: "Asia", city: "New Delhi", longitude: "77.2244797", latitude: "28.6357594", quietCase: true,
			frequent: "के है में की से को का और पर ने कि एक यह भी हैं ही हो नहीं था कर तो लिए इस जो अपने वह",
			onsets:   "क ख ग च ज ट ड त थ द न प फ ब भ म य र ल व श स ह", nuclei: "ा ि ी ु ू े ै ो ौ", codas: " न र त ल म क स", endings: "ना ता ती ने कर वाला ों ियों"},
		{code: "ja", weight: 7, countryCode: "jp", country: "Japan", continent: "Asia", city: "Tokyo", longitude: "139.6917114", latitude: "35.6894989", noBlanks: true, ownStops: true, quietCase: true,
			frequent: "の は を に が と で も です ます から こと これ する した いる ない ある よう その まで より など ため",
			runes:    [2]rune{0x4e00, 0x8fff}, letters: 1600, endings: "する した って い く な を に は の が しい"},
		{code: "zh", weight: 3, countryCode: "cn", country: "China", continent: "Asia", city: "Beijing", longitude: "116.3972321", latitude: "39.9074974", noBlanks: true, ownStops: true, quietCase: true,
			frequent: "的 是 了 在 我 有 他 这 不 们 个 人 上 大 来 和 就 你 说 到 要 也 会 可以 没有 自己",
			runes:    [2]rune{0x4e00, 0x9fff}, letters: 2600},
		{code: "ko", weight: 2, countryCode: "kr", country: "South Korea", continent: "Asia", city: "Seoul", longitude: "126.9783020", latitude: "37.5660019", quietCase: true,
			frequent: "이 그 는 것 수 있다 하는 및 더 한 등 를 에서 으로 있는 대한 그리고 하지만 때 안",
			runes:    [2]rune{0xac00, 0xd7a3}, letters: 900, endings: "은 는 이 가 을 를 에 의 로 고 다 하다"},
	}
}

func (s script) language(r *rng, ranks zipf) language {
	l := language{code: s.code, countryCode: s.countryCode, country: s.country, continent: s.continent,
		city: s.city, longitude: s.longitude, latitude: s.latitude,
		blank: " ", comma: ", ", stops: []string{". ", ". ", ". ", ". ", "! ", "? ", "\\u2026 "}}
	if s.ownStops {
		l.blank, l.comma, l.stops = "", "、", []string{"。", "。", "。", "！", "？"}
	}
	l.words = s.vocabulary(r)
	l.capitals = l.words
	if !s.quietCase {
		l.capitals = make([]string, len(l.words))
		for i, w := range l.words {
			l.capitals[i] = capital(w)
		}
	}
	l.phrases = make([]string, phraseCount)
	for i := range l.phrases {
		n := 2 + r.below(3) + r.below(3)
		parts := make([]string, n)
		for j := range parts {
			parts[j] = l.words[ranks.draw(r)]
		}
		l.phrases[i] = strings.Join(parts, l.blank)
	}
	return l
}

// vocabulary lists distinct words, the frequent ones first and short.
func (s script) vocabulary(r *rng) []string {
	words := strings.Fields(s.frequent)
	seen := make(map[string]bool, vocabularySize)
	for _, w := range words {
		seen[w] = true
	}
	onsets, nuclei, codas := strings.Split(s.onsets, " "), strings.Split(s.nuclei, " "), strings.Split(s.codas, " ")
	endings := strings.Fields(s.endings)
	letters := s.alphabet(r)
	var b []byte
	for len(words) < vocabularySize {
		b = b[:0]
		size := 1
		switch n := len(words); {
		case n > 6000:
			size = r.between(2, 3)
		case n > 300:
			size = r.between(1, 2)
		}
		for i := range size {
			if len(letters) > 0 {
				b = utf8.AppendRune(b, letters[r.below(len(letters))])
				continue
			}
			b = append(b, onsets[r.below(len(onsets))]...)
			b = append(b, nuclei[r.below(len(nuclei))]...)
			if i == size-1 || r.percent(35) {
				b = append(b, codas[r.below(len(codas))]...)
			}
		}
		if len(endings) > 0 && r.percent(40) {
			b = append(b, endings[r.below(len(endings))]...)
		}
		if w := string(b); !seen[w] {
			seen[w] = true
			words = append(words, w)
		}
	}
	return words
}

// alphabet picks the letters in use from the script's range.
func (s script) alphabet(r *rng) []rune {
	var letters []rune
	for range s.letters {
		letters = append(letters, s.runes[0]+rune(r.below(int(s.runes[1]-s.runes[0]))))
	}
	return letters
}

func capital(w string) string {
	first, n := utf8.DecodeRuneInString(w)
	return string(unicode.ToUpper(first)) + w[n:]
}
