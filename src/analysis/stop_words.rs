//! Stop words, the most common ones of each language: queries drop them, and language detection
//! counts them.

use super::language::Language;

/// No stop word is longer.
pub const WORD_BYTES_MAX: usize = 24;

/// Lists of lower-case words, separated by white space.
pub const LISTS: &[(Language, &str)] = &[
    (
        Language::English,
        "a about above after again against all am an and any are as at be because been before being below \
         between both but by can cannot could did do does doing don down during each few for from further \
         had has have having he her here hers herself him himself his how i if in into is it its itself just \
         me more most my myself no nor not now of off on once only or other our ours ourselves out over own \
         same shall she should so some such than that the their theirs them themselves then there these they \
         this those through to too under until up upon very was we were what when where whether which while \
         who whom whose why will with would you your yours yourself",
    ),
    (
        Language::Czech,
        "a aby ale ani asi až bez by byl byla bylo být co což či do jak jako je jeho její jejich jen ještě \
         jsem jsme jsou již k kde kdo když ke která které který ma mezi mít na nad nebo není než o od po pod \
         podle pokud pro proto protože před při s se si své ta tak také tato ten tento to tu ve v však z za ze že",
    ),
    (
        Language::Danish,
        "af alle at blev bliver da de dem den denne der deres det dette dig din dog du efter eller en end er \
         et for fra ham han hans har havde hende hendes her hun hvad hvem hvor hvordan hvornår i ikke ind jeg \
         kan kunne man mange med men mig min mod når og også om op os over på sig skal skulle som til ud var \
         ved vi vil ville være været",
    ),
    (
        Language::German,
        "aber alle als also am an auch auf aus bei bin bis da damit dann das dass dein dem den denn der des \
         dich die dies diese diesem diesen dieser dieses dir doch du durch ein eine einem einen einer eines \
         er es für gegen hat hatte hatten habe haben hier hinter ich ihm ihn ihr ihre ihrem ihren im in ins \
         ist ja kann kein keine können man mehr mein mit muss nach nicht noch nun nur ob oder ohne sehr sein \
         seine seinem seinen sich sie sind so soll sollte über um und uns unter vom von vor war waren warum \
         was wegen weil welche welcher welches wenn wer werden wie wieder will wir wird wo wurde wurden zu \
         zum zur zwischen",
    ),
    (
        Language::Greek,
        "από αυτό για δεν είναι η ή θα και κι με μετά να ο οι όταν που πως σε στη στην στις στο στον στους \
         τα τη την της τι τις το τον του τους των ως ένα ένας μια μία ποια ποιο ποιος πόσο πού πότε",
    ),
    (
        Language::Spanish,
        "a al algo ante antes aquel aquella como cómo con contra cual cuál cuáles cuando cuándo cuánta cuántas \
         cuánto cuántos de del desde donde dónde durante e el él ella ellas ellos en entre era eran es esa ese \
         eso esta está están este esto estos fue fueron ha había han hasta hay la las le les lo los más me mi \
         muy no nos o otra otro para pero por porque qué que quién quiénes se según ser si sí sin sobre son su \
         sus también tiene todo tras u un una uno unos y ya",
    ),
    (
        Language::Finnish,
        "ei en että hän hänen he ja jo joka jos jotka jossa kanssa kuin kun kuka kuinka me mikä minä mitä missä \
         milloin miksi minkä mutta myös ne niin nyt oli olivat olla on ovat se sekä sen siitä sitä tai te tämä \
         tämän vain voi",
    ),
    (
        Language::French,
        "à au aux avec ce ces cet cette comme comment d dans de des dont du elle elles en entre est et étaient \
         était être eu fait il ils j je l la le les leur leurs lui m ma mais même mes mon n ne nos notre nous on \
         ont ou où par pas pendant plus pour pourquoi qu quand que quel quelle quelles quels qui quoi s sa sans \
         se ses si son sont sous sur t ta te tes ton tu un une vos votre vous y a ont été aussi",
    ),
    (
        Language::Hungarian,
        "a az és ez azt hogy nem is egy meg volt de csak már mint még ha el vagy ki mi amely ami aki ezt van \
         lesz volna után alatt között minden mert hol mikor hogyan mit melyik milyen ők ő én te",
    ),
    (
        Language::Italian,
        "a ad agli ai al alla alle allo anche che chi ci come con cosa cui da dagli dai dal dalla dalle dello \
         degli dei del della delle di dove e è ed era erano fra furono gli ha hanno i il in io l la le lei li lo \
         loro lui ma mi ne nei nel nella nelle non o per perché più quale quali quando quanti quanto quella \
         quello questa questo qui sei se si sia sono su sua sue sui sul sulla suo suoi tra tu un una uno vi",
    ),
    (
        Language::Dutch,
        "aan al alle als bij dan dat de deze die dit doch door dus een en er had haar heb hebben heeft hem het \
         hij hoe hun ik in is ja je kan kon kunnen maar me meer men met mij mijn naar niet nog nu of om omdat \
         onder ons ook op over te tegen toch toen tot u uit uw van veel voor waar waarom wanneer want waren was \
         wat welke werd wie wij wil worden wordt zal ze zich zij zijn zo zou",
    ),
    (
        Language::Norwegian,
        "alle at av ble blir da de dem den denne der deres det dette din du eller en enn er et etter for fordi \
         fra ha hadde han hans har hun hva hvem hvilken hvor hvordan hvorfor i ikke inn jeg kan kunne man med \
         meg men mot nå når og også om opp oss over på seg sin skal skulle som til ut var ved vi vil ville være vært",
    ),
    (
        Language::Polish,
        "a aby ale ani bardzo bez bo był była było były być ci co czy dla do gdy gdzie i ich ile im ja jak jako \
         je jego jej jest jeszcze już kiedy kto która które który lub ma mi między mnie na nad nie niż o od oraz \
         po pod przed przez przy są się tak także tam te tego tej ten to tu ty tych tylko w we wszystko z za ze że",
    ),
    (
        Language::Portuguese,
        "a à ao aos as às até com como da das de dela dele do dos e é ela elas ele eles em entre era eram essa \
         esse esta está este eu foi foram há isso isto já lhe mais mas me mesmo meu minha muito na não nas nem \
         no nos nós o os ou para pela pelo por porque quais qual quando quantas quantos que quem se sem ser seu \
         seus só são sua suas também te tem têm um uma umas uns você onde",
    ),
    (
        Language::Romanian,
        "a ai al ale am ar are au că care ce cea cel cele cine câți cu cum când dar de din după ea ei el este \
         eu fi fost iar în în îi își la le lor lui mai nu o pe pentru prin sa sale sau se sunt și și un una unde \
         unei unui",
    ),
    (
        Language::Russian,
        "а без более бы был была были было быть в вам вас весь во вот все всего всех вы где да для до его ее её \
         если есть еще ещё же за здесь и из или им их к как какая какие каких какой каком ко когда которая которой \
         которые который кто куда ли между меня мне много может можно мы на над надо нас не него нее нет ни них \
         но о об однако он она они оно от очень по под после потому почему при про с сам себя сколько со так \
         также такой там то того тоже той только том ты у уже чем через что чтобы эта эти это этого этой этот я",
    ),
    (
        Language::Swedish,
        "alla att av blev blir bli de dem den denna deras dess det detta dig din där då efter eller en er ett \
         från för ha hade han hans har henne hennes hon hur här i icke inte in jag kan kunde man med mellan men \
         mig min mot mycket nu när och också om oss på sedan sig sin ska skulle som så till under upp ut utan vad \
         var varför vem vi vid vilka vilken vill än är över",
    ),
    (
        Language::Turkish,
        "acaba ama ancak bazı ben bir biz bu çok çünkü da daha de defa değil diye en gibi hangi hem hep her hiç \
         için ile ise kadar ki kim kimin mı mi mu mü nasıl ne neden nerede niçin o olan olarak oldu olduğu onlar \
         sen siz şey şu tüm ve veya ya yani",
    ),
    (
        Language::Ukrainian,
        "а або але без би був була були було бути в вже ви від він вона вони воно все всі де для до є з за зі і \
         із його її їх й коли кому ми між на над не ні ніж о об під по при про та так також там те ти тим то того \
         у хто це цей ці чи чому що щоб як яка яке який які якщо я",
    ),
    (
        Language::Vietnamese,
        "bị bởi các cái cần chỉ cho chưa có của cũng cùng do đã đang để đến đó được gì hay khi không là lại làm mà \
         một nào này nếu người như nhưng những ở phải qua ra rất sao sau sẽ tại thì theo trên trong trước từ và vào vẫn \
         về vì với",
    ),
];
