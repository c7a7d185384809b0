"""The gates as rows of data: id, clause of the notice, field, both texts, and the decision.

Source: 鲁建教函〔2019〕1号; the clause stands in each row. Rows that begin with ``R-`` are rules of plain consistency
that the notice's truth, accuracy and validity (真实性、准确性、有效性) ask for. Gates about accounts, roles and archive
(N13, N14, N24 to N32) concern no row and stand where they act. A failure names field and rule, never a value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from gateway.intake.rules import gate_checks as check
from gateway.intake.rules.filing import PLACEMENT, PublicObjection


class Severity(StrEnum):
    """What a failure does to its row."""

    REFUSE = "refuse"
    """the row goes back to the city"""
    HOLD = "hold"
    """the row waits for a person; the rest of the batch goes on"""
    WARN = "warn"
    """the row goes; an optional value that could not be read is left out"""


@dataclass(frozen=True, kw_only=True, slots=True)
class GateFailure:
    """One broken rule of one row. ``field`` is a field of ``Filing``, or empty where the whole row is meant."""

    gate: str
    field: str
    message: str
    message_zh: str
    severity: Severity = Severity.REFUSE


@dataclass(frozen=True, slots=True)
class Gate:
    """One way to fail a gate."""

    id: str
    clause: str
    field: str
    en: str
    zh: str
    broken: check.Check
    severity: Severity = Severity.REFUSE
    since: date | None = None
    """first day on which it is in force; None: a rule of the notice begins with it, one of consistency always held"""
    until: date = date.max
    """last day on which it is in force; a repeal that comes later than this release is a setting"""

    new_form: bool = False
    """whether it asks for a column that the form of 2019 did not have; a setting says from which day on"""

    def begins(self, notice_start: date) -> date:
        """The first day on which it is in force."""
        return self.since or (date.min if self.id.startswith("R-") else notice_start)

    @property
    def failure(self) -> GateFailure:
        """What is reported when it is broken."""
        return GateFailure(gate=self.id, field=self.field, message=self.en, message_zh=self.zh, severity=self.severity)


_HOLD = Severity.HOLD
_EVER = date.min
_BATCHES = date(2019, 4, 1)
"""from here on certificates are reported in batches (三(二))"""

# fmt: off
GATES: tuple[Gate, ...] = (
    Gate("N01", "一", "application_date", "issued in 2017 or later: proof of application before 2017 is needed",
         "2017年及以后发证的，须填申报日期并证明2017年以前申报", check.applied_unproven),
    Gate("N01", "一", "application_date", "applied for in 2017 or later",
         "申报日期不在2017年以前", check.applied_late),
    Gate("N02", "一", "level", "only junior, intermediate and senior level are in scope",
         "等级须为初级、中级或高级", lambda f, r: f.level is not None and f.level not in r.levels),
    Gate("N03", "一", "certificate_name", "special-operation certificates go to the quality and safety platform",
         "特种作业操作资格证书不在本通知范围，请走质量安全平台", check.special_operation),
    Gate("N03", "一", "certificate_name", "not the ministry's skill-post certificate",
         "不是中华人民共和国建设部职业技能岗位证书", check.other_certificate),
    Gate("N04", "二(一)1、(二)1", "birth_date", "the person has reached the age limit on the day of the filing",
         "申报时已满60周岁", check.too_old),
    Gate("N05", "二(一)2", "contract_end", "the contract is shorter than one year",
         "劳动合同期限不足一年", check.contract_short),
    Gate("N05", "二(一)2", "contract_end", "the contract is not running on the day of the filing",
         "申报时劳动合同未生效或已到期", check.contract_not_running),
    Gate("N05", "二(一)2", "contract_term", "a task-based contract has no length: to be checked by a person",
         "以完成一定工作任务为期限的合同，转人工核查", check.task_contract, _HOLD),
    Gate("N05", "二(一)2", "contract_end", "an open-ended contract has no last day",
         "无固定期限合同不应填写终止日期", check.open_contract_with_end),
    Gate("N06", "二(一)3、(二)2", "certificate_number", "this cannot be a certificate number",
         "证书编号格式不可信", check.implausible_number),
    Gate("N06", "二(一)3、(二)2", "certificate_number", "more than one number, or a remark beside it: one number only",
         "证书编号栏填写了多个编号或备注，应只填一个编号", check.more_than_a_number),
    Gate("N06", "二(一)3、(二)2", "certificate_number",
         "looks like a telephone number, a day, an identity number, or has words behind it: to be checked",
         "证书编号疑似电话号码、日期、身份证号码，或其后带有文字，转人工核查", check.other_number, _HOLD),
    *(
        Gate("N07", "二", field, "needed for a person with an employer", "有工作单位的必须填写",
             check.absent_if_employed(field))
        for field in ("employer_name", "employer_code", "contract_term", "contract_start")
    ),
    Gate("N07", "二", "contract_end", "a fixed-term contract needs its last day",
         "固定期限合同必须填写终止日期", check.fixed_term_without_end),
    Gate("N07", "二", "employed", "said to have no employer, yet employer or contract is given",
         "填写为无工作单位，却有单位或合同信息", check.employer_without_employment),
    Gate("N08", "三(一)", "reported_at", "filed before the concentrated period began",
         "申报早于集中受理期", check.before_notice, since=_EVER),
    Gate("N09", "三(二)", "batch_no", "the batch number belongs to another city",
         "报送批次不属于复核地区", check.foreign_batch, since=_BATCHES),
    Gate("N10", "四(一)", "filing_corp_code", "the enterprise that answers for the filing is not named",
         "企业填报的须填写填报企业代码", check.enterprise_unnamed),
    Gate("N10", "四(一)", "channel", "a person with an employer is filed by the enterprise",
         "有工作单位的应由企业填报", check.employed_filed_alone),
    Gate("N10", "四(一)", "responsible_person", "the enterprise does not say who answers for the filing",
         "企业填报的缺少企业责任人", check.responsible_unnamed, new_form=True),
    Gate("N11", "四(二)", "review_department", "the city's review is not named", "缺少复核部门",
         check.absent("review_department")),
    Gate("N11", "四(二)", "review_region", "the city's review has no division", "缺少复核地区",
         check.absent("review_region")),
    Gate("N11", "四(二)", "review_region", "the reviewing authority is not that of the verification point",
         "复核地区与审核点所属地区不一致", check.foreign_review),
    Gate("N12", "四(三)", "reported_at", "the report is later than its intake", "报送时间晚于接收时间",
         check.reported_in_future),
    Gate("N15", "五(二)1", "promise_signed_at", "the promise is not signed", "缺少承诺签署时间",
         check.absent("promise_signed_at")),
    Gate("N15", "五(二)1", "promise_version", "the version of the promise is not named", "缺少承诺书版本",
         check.absent("promise_version")),
    Gate("N15", "五(二)1", "promise_signed_at", "the promise was signed after the verification",
         "承诺签署晚于审核", check.promise_late),
    Gate("N15", "五(二)1", "point_code", "no verification point was chosen", "缺少审核点编号",
         check.absent("point_code")),
    Gate("N16", "五(二)1", "filing_corp_code", "the filing enterprise is not the employer",
         "填报企业与劳动合同单位不一致", check.filed_by_another),
    Gate("N17", "五(二)2", "channel", "a person without employer files alone",
         "无工作单位的应由个人填报", check.unemployed_by_enterprise),
    Gate("N17", "五(二)2", "filing_corp_code", "a person without employer is filed by no enterprise",
         "无工作单位的不应填写填报企业代码", check.unemployed_with_filer),
    Gate("N17", "五(二)2", "originals", "a person without employer shows no contract",
         "无工作单位的不应核验劳动合同", check.contract_original_unexpected),
    Gate("N18", "五(三)", "originals", "not all originals were seen",
         "原件核验不全（证书、身份证，有单位的还须合同）", check.originals_incomplete),
    Gate("N18", "五(三)", "summary_form_no", "the summary form has no number", "缺少审核汇总表编号",
         check.absent("summary_form_no")),
    Gate("N19", "五(三)", "point_code", "the point's code does not begin with its division",
         "审核点编号前六位不是行政区划代码", check.point_unlocated),
    Gate("N18", "五(三)", "summary_form_digest", "the digest of the exported summary form is missing",
         "缺少审核汇总表摘要", check.absent("summary_form_digest"), new_form=True),
    Gate("N18", "五(三)", "summary_form_digest", "not a digest of 64 hexadecimal digits",
         "审核汇总表摘要应为64位十六进制数", check.no_digest("summary_form_digest")),
    Gate("N19", "五(三)", "point_code", "not a verification point of the register on the day of the verification",
         "审核点不在审核之日有效的审核点名录中", check.point_unregistered),
    Gate("N19", "五(三)", "point_code", "the point does not belong to the authority that issued the certificate",
         "审核点与鉴定地区（省直为370000）不一致", check.foreign_point),
    Gate("N20", "五(三)", "verifier", "the verifier is not named", "缺少审核人", check.absent("verifier")),
    Gate("N20", "五(三)", "verified_at", "the time of verification is missing", "缺少审核时间",
         check.absent("verified_at")),
    Gate("N20", "五(三)", "seal_stamped", "the certificate does not bear the seal", "未加盖专用印章",
         check.not_sealed),
    Gate("N21", "五(四)", "reviewer", "the reviewer is not named", "缺少复核人", check.absent("reviewer")),
    Gate("N21", "五(四)", "reviewed_at", "the time of the review is missing", "缺少复核时间",
         check.absent("reviewed_at")),
    Gate("N21", "五(四)", "reviewer", "one person verified and reviewed", "复核人与审核人为同一人",
         check.same_reviewer),
    Gate("N21", "五(四)", "reviewed_at", "reviewed before it was verified", "复核时间早于审核时间",
         check.review_early),
    Gate("N22", "五(四)", "notice_begin", "the first day of the public notice is missing", "缺少公示开始日期",
         check.absent("notice_begin")),
    Gate("N22", "五(四)", "notice_end", "the last day of the public notice is missing", "缺少公示结束日期",
         check.absent("notice_end")),
    Gate("N22", "五(四)", "notice_medium", "the place of the public notice is missing", "缺少公示网址",
         check.absent("notice_medium")),
    Gate("N22", "五(四)", "notice_begin", "shown to the public before the review", "公示早于复核",
         check.notice_early),
    Gate("N22", "五(四)", "notice_end", "the public notice is too short: seven days are asked for",
         "公示天数不足，通知要求公示七日", check.notice_short),
    Gate("N22", "五(四)", "reported_at", "reported before the public notice was over", "公示期未满即报送",
         check.reported_during_notice),
    Gate("N23", "五(四)", "objection", "an objection is open: this item waits", "异议尚未处理完毕，本条暂缓",
         lambda f, _: f.objection is PublicObjection.OPEN, _HOLD),
    Gate("N23", "五(四)", "objection", "an objection was upheld", "异议成立",
         lambda f, _: f.objection is PublicObjection.UPHELD),
    Gate("N23", "五(四)", "objection", "it is not said whether objections came in", "缺少异议状态",
         check.absent("objection")),
    Gate("N29", "六(三)", "promise_signer", "it is not said who signed the promise", "缺少承诺人",
         check.absent("promise_signer"), new_form=True),
    Gate("N29", "六(三)", "promise_signer",
         "a person without employer did not sign the promise himself: to be checked by a person",
         "无工作单位的承诺人与本人姓名不一致，转人工核查", check.promise_of_another, _HOLD),
    Gate("N29", "六(三)", "promise_digest", "the digest of the signed promise is missing", "缺少承诺书摘要",
         check.absent("promise_digest"), new_form=True),
    Gate("N29", "六(三)", "promise_digest", "not a digest of 64 hexadecimal digits",
         "承诺书摘要应为64位十六进制数", check.no_digest("promise_digest")),
    *(
        gate
        for field, en, zh in (
            ("checked_true", "the originals were not found genuine", "真实性"),
            ("checked_exact", "the fields were not found to say what the originals say", "准确性"),
            ("checked_valid", "the certificate was not found valid", "有效性"),
        )
        for gate in (
            Gate("N33", "四、五", field, en, f"{zh}核查未通过", check.not_found(field)),
            Gate("N33", "四、五", field, "the result of this check is missing", f"缺少{zh}核查结果",
                 check.absent(field), new_form=True),
        )
    ),
    Gate("N33", "四、五", "valid_to", "the certificate had run out on the day of the report",
         "报送之日证书已过有效期", check.certificate_ended),
    Gate("R-ID-TYPE", "", "id_type", "the document type does not fit the number: residence permits have their own",
         "证件类型与号码不符（港澳台居民居住证）", check.document_type_differs),
    Gate("R-ID-BIRTH", "", "birth_date", "the date of birth is not the one in the identity number",
         "出生日期与身份证号码不一致", check.birth_date_differs),
    Gate("R-ID-GENDER", "", "gender", "the sex is not the one in the identity number: to be checked by a person",
         "性别与身份证号码不一致，转人工核查", check.gender_differs, _HOLD),
    Gate("R-ORDER", "", "application_date", "applied for after the issue", "申报日期晚于发证日期",
         check.application_after_issue),
    Gate("R-ORDER", "", "issue_date", "issued after the verification", "发证日期晚于审核时间",
         check.issued_after_verification),
    Gate("R-ORDER", "", "valid_to", "the validity ends before the issue", "有效期止早于发证日期",
         check.ended_before_issue),
    Gate("R-ORDER", "", "contract_end", "the contract ends before it begins", "合同终止日期早于起始日期",
         check.contract_reversed),
    *(
        gate
        for field, en, zh in (
            ("application_date", "applied for", "申报日期"), ("issue_date", "issued", "发证日期"),
            ("contract_start", "employed", "合同起始日期"), ("site_since", "on the site", "进场日期"),
        )
        for gate in (
            Gate("R-ORDER", "", field, f"{en} before the person was born", f"{zh}早于出生日期",
                 check.before_birth(field)),
            Gate("R-ORDER", "", field, f"{en} before the person was 16 years old: to be checked by a person",
                 f"{zh}时未满16周岁，转人工核查", check.too_young(field), _HOLD),
        )
    ),
    Gate("R-ORDER", "", "site_since", "on the site only after the report", "进场日期晚于报送时间",
         check.on_site_after_report),
    Gate("R-EARLY", "三", "promise_signed_at", "promise, verification, review or public notice before the notice began",
         "承诺、审核、复核或公示早于通知实施之日，请核对", check.steps_before_notice, Severity.WARN),
    *(
        Gate("R-PLACE", "", field, "a row that names a project names company, team and trade there as well",
             "填写项目信息的，项目编码、参建单位、班组、现场工种须填写完整", check.half_placed(field))
        for field in PLACEMENT
    ),
)
# fmt: on
"""Every rule of a single row, with the days on which it is in force. Two rows with one id are two ways to fail it."""
