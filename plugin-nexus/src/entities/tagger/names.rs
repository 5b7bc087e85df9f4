//! Words that are often part of names, as hints for the tagger. Written from general knowledge.

use std::collections::HashMap;
use std::sync::OnceLock;

/// Kinds of such words, as bits.
pub(super) const FIRST_NAME: u8 = 1;
const PLACE: u8 = 2;
const ORGANISATION: u8 = 4;
const TITLE: u8 = 8;
const CALENDAR: u8 = 16;
const PEOPLE: u8 = 32;

const LISTS: [(u8, &str); 6] = [
    (
        FIRST_NAME,
        "aaron adam adrian aisha alan albert alex alexander alexandra alfred ali alice alison allen amanda amy ana anders andre \
         andrea andrew andy angela anita ann anna anne annie anthony antonio arthur ashley barbara barry ben benjamin bernard bernie beth betty bill billy bob \
         bobby boris brad brandon brenda brent brett brian bruce bryan carl carlos carol caroline catherine charles charlie charlotte chen chloe chris \
         christian christina christine christopher chuck cindy claire clara claude colin connie craig cynthia dale dan daniel danny dave david dean deborah \
         debra dennis derek diana diane dick don donald donna doris dorothy doug douglas duncan dylan earl ed eddie edgar edith eduardo edward edwin eileen elaine \
         elena eli elizabeth ella ellen emily emma eric erica erik ernest eugene eva evan evelyn felix fernando fiona florence frances francis \
         francisco frank franz fred frederick gabriel gary gavin george gerald gerard gilbert giovanni glenn gloria gordon grace graham greg gregory guy hannah \
         hans harold harriet harry harvey heather hector helen henri henry herbert howard hugh hugo ian ibrahim ingrid irene isaac isabel ivan jack jackie jacob jacques \
         jake james jamie jan jane janet janice jason jay jean jeff jeffrey jennifer jenny jeremy jerome jerry jesse jessica jill jim jimmy jo joan joanna joe joel \
         johann john johnny jon jonathan jordan jorge jose joseph joshua joyce juan judith judy julia julian julie justin karen karl kate katherine \
         kathleen kathy katie keith kelly ken kenneth kenny kevin kim kirk klaus kyle larry laura lauren laurence lawrence lee leo leon leonard leslie lewis liam linda \
         lisa liz lloyd louis louise lucas lucy luis luke lynn madeleine marc marco marcus margaret maria marie marilyn mario marion mark marshall martha martin \
         marvin mary mathew matt matthew maurice max megan mel melissa michael michel michelle miguel mike mitchell mohamed mohammed mohammad molly monica morgan muhammad \
         nancy naomi natalie nathan neil nicholas nick nicolas nicole nigel nina noah noel nora norma norman oliver olivia oscar otto pamela pat patricia patrick paul paula \
         pedro peggy penny perry pete peter phil philip philippe phillip pierre rachel ralph ramon randy ray raymond rebecca reginald rene ricardo richard rick \
         rita rob robert roberta roberto robin rod roger roland ron ronald rosa rose ross roy ruben rudolf russell ruth ryan sally sam samantha samuel sandra sara sarah scott \
         sean sebastian sergei seth shane shannon sharon shaun sheila shirley sidney simon sofia sophia sophie stan stanley stella stephan stephanie stephen steve \
         steven stewart stuart sue susan sylvia tara ted teresa terry theodore theresa thomas tim timothy tina todd tom tommy tony tracy trevor ursula valerie vanessa \
         vera vernon veronica victor victoria vincent virginia vladimir walter warren wayne wendy werner wilhelm will william willie wolfgang yvonne zachary",
    ),
    (
        PLACE,
        "afghanistan africa alabama alaska albania algeria america amsterdam andorra angola antarctica argentina arizona arkansas armenia asia athens atlanta \
         auckland austin australia austria azerbaijan baghdad bahamas bahrain baltimore bangkok bangladesh barbados barcelona bavaria beijing beirut belarus belfast belgium \
         belgrade belize benin berlin bhutan birmingham bolivia bombay bosnia boston botswana brazil bristol britain brooklyn brunei brussels bucharest budapest \
         bulgaria burma burundi cairo calcutta california cambodia cambridge cameroon canada canberra cardiff caribbean caracas catalonia chad chicago chile china cincinnati \
         cleveland cologne colombia colorado congo connecticut copenhagen cornwall croatia cuba cyprus dakota dallas damascus delaware delhi denmark denver detroit devon \
         djibouti dresden dubai dublin ecuador edinburgh egypt england eritrea estonia ethiopia europe fiji finland florence florida france francisco frankfurt gabon \
         gambia gaza geneva georgia germany ghana glasgow greece greenland grenada guatemala guinea guyana haiti hamburg hampshire hanoi havana hawaii helsinki holland honduras \
         hong houston hungary iceland idaho illinois india indiana indonesia iowa iran iraq ireland islamabad israel istanbul italy jakarta jamaica japan jersey jerusalem \
         johannesburg jordan kansas karachi kashmir kazakhstan kentucky kenya kiev kong korea kosovo kuwait kyoto kyrgyzstan lagos lancashire laos latvia lebanon leeds leipzig \
         lesotho liberia libya liechtenstein lima lisbon lithuania liverpool london louisiana louisville luxembourg lyon macau macedonia madagascar madrid maine malawi malaysia \
         maldives mali malta manchester manhattan manila manitoba marseille maryland massachusetts mauritania mauritius melbourne memphis mexico miami michigan milan minneapolis \
         minnesota mississippi missouri moldova monaco mongolia montana montenegro montreal morocco moscow mozambique mumbai munich myanmar nairobi namibia naples nashville \
         nebraska nepal netherlands nevada newcastle nicaragua niger nigeria norfolk normandy norway nottingham oakland ohio oklahoma oman ontario oregon orlando osaka oslo ottawa \
         oxford pacific pakistan palestine panama paraguay paris pennsylvania persia perth peru philadelphia philippines phoenix pittsburgh poland portland portugal prague \
         prussia punjab qatar quebec queensland rome romania rotterdam russia rwanda sacramento salvador samoa sarajevo saskatchewan saudi scotland seattle senegal seoul \
         serbia seychelles shanghai sheffield siberia sicily singapore slovakia slovenia somalia spain stockholm stuttgart sudan sumatra suriname sussex swaziland sweden \
         switzerland sydney syria taiwan tajikistan tanzania tasmania tehran tennessee texas thailand tibet tokyo togo tonga toronto transylvania trinidad tripoli tunisia \
         turin turkey turkmenistan uganda ukraine uruguay usa utah uzbekistan vancouver venezuela venice vermont vienna vietnam virginia wales warsaw washington wellington \
         wisconsin wyoming yemen yorkshire yugoslavia zagreb zambia zimbabwe zurich u.s. u.k. uk u.s.a. aleppo mosul kabul basra helmand river lake mount island islands bay \
         valley county province district city town village street avenue road square park peninsula ocean sea gulf desert coast harbour harbor airport station bridge",
    ),
    (
        ORGANISATION,
        "inc corp corporation company co ltd limited llc plc gmbh ag group holdings bank university college institute school academy council committee commission ministry \
         department agency association society foundation federation union party congress parliament senate army navy force forces police court club united fc team league nato un \
         eu who unesco unicef nasa fbi cia bbc cnn nbc abc cbs microsoft google apple amazon ibm intel enron ford toyota honda sony samsung bbc times post journal press \
         records studios entertainment pictures airlines airways railway industries international systems technologies partners capital fund trust authority bureau board organization \
         organisation center centre hospital museum library church orchestra band museum government administration treasury reserve exchange network television radio magazine \
         newspaper brothers sons & associates services solutions software pharmaceuticals motors electric energy oil gas petroleum steel insurance financial mutual",
    ),
    (
        TITLE,
        "mr mrs ms miss dr prof professor sir lord lady president senator governor king queen prince princess pope saint judge captain general colonel major lieutenant sergeant \
         admiral minister chancellor secretary ambassador mayor chairman director actor actress singer author writer poet emperor duke earl baron count bishop father sister \
         brother uncle aunt coach manager sheriff congressman congresswoman representative chief officer ceo cfo",
    ),
    (
        CALENDAR,
        "january february march april may june july august september october november december monday tuesday wednesday thursday friday saturday sunday spring summer autumn winter",
    ),
    (
        PEOPLE,
        "american british english scottish welsh irish french german italian spanish portuguese dutch belgian swiss austrian swedish norwegian danish finnish icelandic polish czech \
         slovak hungarian romanian bulgarian greek turkish russian ukrainian serbian croatian bosnian albanian chinese japanese korean vietnamese thai indian pakistani iranian iraqi \
         israeli syrian lebanese egyptian libyan moroccan algerian tunisian nigerian kenyan ethiopian african asian european australian canadian mexican brazilian argentine chilean \
         colombian cuban jewish christian catholic muslim islamic protestant roman arab arabic latin kurdish afghan",
    ),
];

/// The hints that a word in lower case gives.
pub(super) fn hints(word: &str) -> u8 {
    static HINTS: OnceLock<HashMap<&str, u8>> = OnceLock::new();
    let hints = HINTS.get_or_init(|| {
        let mut hints = HashMap::new();
        for (hint, words) in LISTS {
            for word in words.split_whitespace() {
                *hints.entry(word).or_default() |= hint;
            }
        }
        hints
    });
    hints.get(word).copied().unwrap_or(0)
}
