"""Places that company names begin with: provinces, cities, well-known counties and districts, without 省, 市, 区.

Words that are rather names than places (和平, 新华, 东方 …) are left out: they count only with 区 or 县 behind them.
"""

from __future__ import annotations

BY_PROVINCE: dict[str, str] = {
    "北京": "朝阳 海淀 丰台 石景山 通州 顺义 昌平 大兴 房山 怀柔 平谷 密云 延庆 中关村 门头沟",
    "上海": "浦东 徐汇 静安 普陀 虹口 杨浦 闵行 嘉定 松江 青浦 奉贤 金山 崇明 黄浦 张江 自贸试验区",
    "天津": "滨海 塘沽 武清 宝坻 静海 蓟州 津南",
    "重庆": "渝北 渝中 江北 南岸 沙坪坝 九龙坡 大渡口 巴南 北碚 万州 涪陵 永川 合川 江津 长寿 綦江 璧山 铜梁 黔江",
    "河北": "石家庄 唐山 秦皇岛 邯郸 邢台 保定 张家口 承德 沧州 廊坊 衡水 雄安 任丘 霸州 三河 迁安 武安 辛集 "
    "涿州 高碑店 "
    "定州 固安 香河",
    "山西": "太原 大同 阳泉 长治 晋城 朔州 晋中 运城 忻州 临汾 吕梁 介休 孝义 河津",
    "内蒙古": "呼和浩特 包头 乌海 赤峰 通辽 鄂尔多斯 呼伦贝尔 巴彦淖尔 乌兰察布 兴安 锡林郭勒 阿拉善 满洲里",
    "辽宁": "沈阳 大连 鞍山 抚顺 本溪 丹东 锦州 营口 阜新 辽阳 盘锦 铁岭 葫芦岛 瓦房店 海城 普兰店",
    "吉林": "长春 四平 辽源 通化 白山 松原 白城 延边 延吉 珲春 公主岭 梅河口",
    "黑龙江": "哈尔滨 齐齐哈尔 鸡西 鹤岗 双鸭山 大庆 伊春 佳木斯 七台河 牡丹江 黑河 绥化 大兴安岭 绥芬河",
    "江苏": "南京 无锡 徐州 常州 苏州 南通 连云港 淮安 盐城 扬州 镇江 泰州 宿迁 昆山 江阴 张家港 常熟 太仓 宜兴 溧阳 "
    "丹阳 吴江 如皋 海门 启东 海安 靖江 泰兴 兴化 东台 邳州 新沂 仪征 高邮 扬中 句容 江都 姜堰 如东 江宁",
    "浙江": "杭州 宁波 温州 嘉兴 湖州 绍兴 金华 衢州 舟山 台州 丽水 义乌 慈溪 余姚 海宁 桐乡 平湖 诸暨 上虞 嵊州 "
    "永康 东阳 兰溪 瑞安 乐清 温岭 临海 玉环 德清 长兴 安吉 萧山 余杭 富阳 临安 建德 桐庐 嘉善 海盐 鄞州 北仑 柯桥",
    "安徽": "合肥 芜湖 蚌埠 淮南 马鞍山 淮北 铜陵 安庆 黄山 滁州 阜阳 宿州 六安 亳州 池州 宣城 巢湖 天长 "
    "宁国 桐城 界首",
    "福建": "福州 厦门 莆田 三明 泉州 漳州 南平 龙岩 宁德 晋江 石狮 福清 长乐 福安 武夷山 平潭",
    "江西": "南昌 景德镇 萍乡 九江 新余 鹰潭 赣州 吉安 宜春 抚州 上饶 丰城 樟树 高安 瑞金 赣江",
    "山东": "济南 青岛 淄博 枣庄 东营 烟台 潍坊 济宁 泰安 威海 日照 临沂 德州 聊城 滨州 菏泽 莱芜 寿光 诸城 青州 "
    "高密 昌邑 安丘 龙口 莱州 招远 蓬莱 胶州 即墨 平度 莱西 邹平 邹城 曲阜 滕州 肥城 新泰 荣成 乳山 章丘 黄岛",
    "河南": "郑州 开封 洛阳 平顶山 安阳 鹤壁 新乡 焦作 濮阳 许昌 漯河 三门峡 南阳 商丘 信阳 周口 驻马店 济源 "
    "巩义 新郑 登封 荥阳 长葛 禹州 长垣 林州 偃师 永城 项城 邓州",
    "湖北": "武汉 黄石 十堰 宜昌 襄阳 鄂州 荆门 孝感 荆州 黄冈 咸宁 随州 恩施 仙桃 潜江 天门 神农架 大冶 "
    "枣阳 宜都 当阳",
    "湖南": "长沙 株洲 湘潭 衡阳 邵阳 岳阳 常德 张家界 益阳 郴州 永州 怀化 娄底 湘西 浏阳 醴陵 宁乡 汨罗 耒阳",
    "广东": "广州 深圳 珠海 汕头 佛山 韶关 河源 梅州 惠州 汕尾 东莞 中山 江门 阳江 湛江 茂名 肇庆 清远 潮州 "
    "揭阳 云浮 "
    "顺德 南海 番禺 花都 增城 从化 白云 天河 宝安 龙岗 南山 福田 罗湖 龙华 前海 横琴 普宁 台山 开平 四会 高州 化州",
    "广西": "南宁 柳州 桂林 梧州 北海 防城港 钦州 贵港 玉林 百色 贺州 河池 来宾 崇左 桂平 北流 凭祥",
    "海南": "海口 三亚 三沙 儋州 琼海 文昌 万宁 五指山 澄迈 陵水 洋浦",
    "四川": "成都 自贡 攀枝花 泸州 德阳 绵阳 广元 遂宁 内江 乐山 南充 眉山 宜宾 广安 达州 雅安 巴中 资阳 "
    "阿坝 甘孜 凉山 "
    "都江堰 彭州 邛崃 崇州 什邡 广汉 绵竹 江油 峨眉山 阆中 西昌 简阳 双流 郫都",
    "贵州": "贵阳 六盘水 遵义 安顺 毕节 铜仁 黔西南 黔东南 黔南 仁怀 凯里 都匀 兴义 贵安",
    "云南": "昆明 曲靖 玉溪 保山 昭通 丽江 普洱 临沧 楚雄 红河 文山 西双版纳 大理 德宏 怒江 迪庆 瑞丽 景洪",
    "西藏": "拉萨 日喀则 昌都 林芝 山南 那曲 阿里地区",
    "陕西": "西安 铜川 宝鸡 咸阳 渭南 延安 汉中 榆林 安康 商洛 杨凌 韩城 西咸 神木 兴平",
    "甘肃": "兰州 嘉峪关 金昌 白银 天水 武威 张掖 平凉 酒泉 庆阳 定西 陇南 临夏 甘南 敦煌 玉门",
    "青海": "西宁 海东 海北 黄南 果洛 玉树 海西 格尔木",
    "宁夏": "银川 石嘴山 吴忠 固原 中卫 灵武",
    "新疆": "乌鲁木齐 克拉玛依 吐鲁番 哈密 昌吉 博尔塔拉 巴音郭楞 阿克苏 克孜勒苏 喀什 和田 伊犁 塔城 阿勒泰 石河子 "
    "阿拉尔 图木舒克 库尔勒 伊宁 奎屯",
    "香港": "九龙",
    "澳门": "",
    "台湾": "台北 高雄 台中 台南 新竹 桃园 新北",
}
COUNTRY = ("中华人民共和国", "中国", "全国")
_ENGLISH = """
beijing=北京 shanghai=上海 tianjin=天津 chongqing=重庆 guangzhou=广州 shenzhen=深圳 hangzhou=杭州
nanjing=南京 suzhou=苏州 ningbo=宁波 wuhan=武汉 chengdu=成都 xian=西安 xi'an=西安 qingdao=青岛
dalian=大连 xiamen=厦门 wuxi=无锡 changsha=长沙 zhengzhou=郑州 jinan=济南 hefei=合肥 fuzhou=福州
shenyang=沈阳 harbin=哈尔滨 changchun=长春 kunming=昆明 dongguan=东莞 foshan=佛山 wenzhou=温州 yiwu=义乌
kunshan=昆山 zhuhai=珠海 zhejiang=浙江 jiangsu=江苏 guangdong=广东 shandong=山东 sichuan=四川 hubei=湖北
hunan=湖南 fujian=福建 hainan=海南 hongkong=香港 macau=澳门 macao=澳门 taiwan=台湾
china=中国
"""
ENGLISH: dict[str, str] = dict(one.split("=") for one in _ENGLISH.split())
"""Places as English company names have them."""

PROVINCE: dict[str, str] = {
    **{place: province for province, places in BY_PROVINCE.items() for place in places.split()},
    **{province: province for province in BY_PROVINCE},
    **dict.fromkeys(COUNTRY, ""),
}
"""The province of each place; none of the country itself."""
LARGE = frozenset(BY_PROVINCE) | frozenset(ENGLISH.values())
"""Places that nobody names a company after."""
SUFFIXES = (
    "维吾尔自治区", "壮族自治区", "回族自治区", "特别行政区", "自治区", "自治州", "自治县", "经济技术开发区",
    "高新技术产业开发区", "高新区", "开发区", "新区", "地区", "省", "市", "区", "县", "州", )  # fmt: skip
"""What may stand behind the name of a place."""
_NO_SUFFIX = ("市场", "市政", "区块", "区域", "省心", "县域", "州际")
"""Words that begin like what stands behind a place."""
LONGEST = max(map(len, PROVINCE))


def at_start(text: str) -> tuple[str, int]:
    """(place, characters that it takes with what belongs to it) at the beginning of a text; ("", 0) for none."""
    for length in range(min(LONGEST, len(text)), 1, -1):
        if (place := text[:length]) in PROVINCE:
            rest = text[length:]
            suffix = "" if rest.startswith(_NO_SUFFIX) else next((s for s in SUFFIXES if rest.startswith(s)), "")
            return place, length + len(suffix)
    return "", 0


def at_end(text: str) -> tuple[str, int]:
    """The same at the end of a text."""
    suffix = next((s for s in SUFFIXES if text.endswith(s)), "")
    for end in dict.fromkeys((len(text) - len(suffix), len(text))):
        bare = text[:end]
        for length in range(min(LONGEST, end), 1, -1):
            if (place := bare[end - length :]) in PROVINCE:
                return place, length + len(text) - end
    return "", 0
