"""Forms in which two spellings of one person's name can be compared by digest.

Both sides of a comparison go through the same function. ``plain_name`` removes what writing systems add (width, blanks,
middle dots); ``variant_name`` also folds traditional and variant characters, and the private code points that older
fonts used for rare characters. Neither is for display: the name itself is kept as it was written.
"""

from __future__ import annotations

import unicodedata

MIDDLE_DOTS = "·•‧・･∙⋅●．.﹒˙ㆍꞏ⸱⸳\u0387"
"""Characters met between the parts of a transcribed name. Two of them become other characters under NFKC."""

_TRADITIONAL = (
    "張陳劉楊黃趙吳鄭馮許鄧蕭葉蘇呂盧蔣賈閻葦鄒龔賴譚馬萬錢湯喬齊龍嚴譙顧賀溫孫東偉麗華國強軍傑濤鵬飛鳳蘭蓮瓊瑩瑤"
    "穎慶豐寶貴財發興業勝鐵鋼銀錦鎮銘鈺鋒鑄鳴鶴鷹鴻鸞愛曉陽雲霧靈電風輝煒煥燁燦爍燈爐熾熱營勞勵動務勁勛勳勢區協單"
    "衛厲參雙變壽壯聲處備復夢奮奧婦媽嬌嬋孿學寧實審寬將專導島峽嵐嶺嶽崗巒師幫帶廣廠應廟懷憶懇懸戰戲採揚揮據擁擇擔"
    "擴攝數斂斕時晉晝暉暢暫曄曆書會朧條來極楨榮樂樣樹橋機檢權歐歡歲歸殘氣漢淚淨淵漁漸潔潤澤濟瀾灣為無爺牽犧狀獎獨"
    "獻現琺瑪環璽產畢異畫當療癒監盤眾睜碩確礎禮禎祿禪穀積穩窩競筆節範築簡簽籃籌糧約紅紀純紗紙級紋細終組結絢給絡絕"
    "統絲綠維綱網緒線緣編緯練縣總績織繡繪繼續纖罷羅義習聖聞聯聰職聽肅脈腦臨舉舊艦艷藝莊蔭薔薩薦藍藥蘊虛號蝦螢蠻補"
    "裝裡製襲見規視親覺覽觀觸計訓記訊訪設証評詞試詩話詳誌認誠誕語誼調諒談請論諾謀謙講謝證識譯議譽讀讓豔貝貞負貢貨"
    "責貫賓賞賢質賽贊贏軒輕載輔輪輯轉農連週進運過達遠適遲選遺邏還邊郵鄉鄰醫釋針鈞鈴銅鋪錄錫鍾鐘鐳鑒長門開閃閎間閔"
    "閣閩闊關陸陰階際隨險雋雜離難霽靜韋韓韻響頁頂項順須預頌領頭頻題顏願類顯飄養馳駐駒駱駿騁騎騫騰驊驚驥驗體髮魚魯"
    "鮑鮮鯤鳥鴿麥麼麵黨點齡龐龜餘樸閑塵壩鄖鄔郟鄶厙塗"
)
_SIMPLIFIED = (
    "张陈刘杨黄赵吴郑冯许邓萧叶苏吕卢蒋贾阎苇邹龚赖谭马万钱汤乔齐龙严谯顾贺温孙东伟丽华国强军杰涛鹏飞凤兰莲琼莹瑶"
    "颖庆丰宝贵财发兴业胜铁钢银锦镇铭钰锋铸鸣鹤鹰鸿鸾爱晓阳云雾灵电风辉炜焕烨灿烁灯炉炽热营劳励动务劲勋勋势区协单"
    "卫厉参双变寿壮声处备复梦奋奥妇妈娇婵孪学宁实审宽将专导岛峡岚岭岳岗峦师帮带广厂应庙怀忆恳悬战戏采扬挥据拥择担"
    "扩摄数敛斓时晋昼晖畅暂晔历书会胧条来极桢荣乐样树桥机检权欧欢岁归残气汉泪净渊渔渐洁润泽济澜湾为无爷牵牺状奖独"
    "献现珐玛环玺产毕异画当疗愈监盘众睁硕确础礼祯禄禅谷积稳窝竞笔节范筑简签篮筹粮约红纪纯纱纸级纹细终组结绚给络绝"
    "统丝绿维纲网绪线缘编纬练县总绩织绣绘继续纤罢罗义习圣闻联聪职听肃脉脑临举旧舰艳艺庄荫蔷萨荐蓝药蕴虚号虾萤蛮补"
    "装里制袭见规视亲觉览观触计训记讯访设证评词试诗话详志认诚诞语谊调谅谈请论诺谋谦讲谢证识译议誉读让艳贝贞负贡货"
    "责贯宾赏贤质赛赞赢轩轻载辅轮辑转农连周进运过达远适迟选遗逻还边邮乡邻医释针钧铃铜铺录锡钟钟镭鉴长门开闪闳间闵"
    "阁闽阔关陆阴阶际随险隽杂离难霁静韦韩韵响页顶项顺须预颂领头频题颜愿类显飘养驰驻驹骆骏骋骑骞腾骅惊骥验体发鱼鲁"
    "鲍鲜鲲鸟鸽麦么面党点龄庞龟余朴闲尘坝郧邬郏郐厍涂"
)
_VARIANTS = "昇陞堃喆峯羣畧甦祕眞衆冨徳査髙槗寳臺"
_USUAL = "升升坤哲峰群略苏秘真众富德查高桥宝台"
_PRIVATE = "\ue81e\ue826\ue82b\ue82c\ue832\ue843\ue854\ue863\ue864"
_ENCODED = "\u9fb4\u9fb5\u9fb6\u9fb7\u9fb8\u9fb9\u9fba\u4dae\u9fbb"

_TO_ONE_DOT = str.maketrans(dict.fromkeys(MIDDLE_DOTS, "·"))
_FOLD = str.maketrans(_TRADITIONAL + _VARIANTS + _PRIVATE, _SIMPLIFIED + _USUAL + _ENCODED)


def folded_name(text: str) -> str:
    """NFKC, upper case, without blanks, every middle dot as U+00B7: so our names and a platform's are compared."""
    plain = unicodedata.normalize("NFKC", text.translate(_TO_ONE_DOT))
    return "".join(plain.translate(_TO_ONE_DOT).split()).upper()


def plain_name(text: str) -> str:
    """``folded_name`` without its middle dots; equal for two spellings of the same characters."""
    return folded_name(text).replace("·", "")


def variant_name(text: str) -> str:
    """``plain_name`` with traditional, variant and privately encoded characters folded to their usual form.

    Two names that are equal in this form may be one name (F18); with an equal document number they are taken as one.
    """
    return plain_name(text).translate(_FOLD)
