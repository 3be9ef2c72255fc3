// Why somebody sees a record, or does not: asks the service that decides it and shows the chain. Everything that comes
// from outside becomes text, never markup; the token lives in this page only.
'use strict';

const WORDS = {
  zh: { title: '为何能看到这条记录', username: '用户名', password: '密码', enter: '登录', language: 'English',
        entered: '已登录：', code: '双重验证的验证码', start: '请以能查看角色的账号登录。', person: '查找人员', found: '人员', type: '记录类型',
        record: '标识或编号', right: '权限', ask: '说明原因', failed: '没有收到答复：', nobody: '没有找到人员',
        yes: '允许', no: '不允许', held: '成立', not_held: '不成立', disabled: '（停用）',
        account: '账号', role: '角色', grant: '个人权限', denial: '个人禁止', owner: '负责人', scope: '数据范围',
        reporting_line: '汇报线', department: '部门', creator: '创建人', named: '相关人员', team: '相关团队' },
  en: { title: 'Why somebody sees a record', username: 'User', password: 'Password', enter: 'Log in', language: '中文',
        entered: 'Logged in: ', code: 'Code of the second factor', start: 'Log in with an account that may read roles.', person: 'Find a person', found: 'Person',
        type: 'Record type', record: 'Id or number', right: 'Right', ask: 'Explain', failed: 'No answer: ',
        nobody: 'Nobody found', yes: 'Allowed', no: 'Not allowed', held: 'holds', not_held: 'does not hold',
        disabled: ' (disabled)', account: 'Account', role: 'Role', grant: 'Personal right', denial: 'Personal denial',
        owner: 'Owner', scope: 'Scope', reporting_line: 'Line of reporting', department: 'Department', creator: 'Creator', named: 'Named',
        team: 'Team' },
};
const CODES = { zh: 'zh-CN', en: 'en' };
const ACTIONS = ['read', 'update', 'delete', 'assign', 'approve', 'export', 'print', 'reveal'];
let language = navigator.language.startsWith('en') ? 'en' : 'zh';
let token = '';
let entered = '';
let rights = [];
let people = [];
let shown = null;

const byId = (id) => document.getElementById(id);
const word = (key) => WORDS[language][key] ?? key;

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// The answer's document; what was refused is thrown in the words of the suite.
async function ask(path, body) {
  const headers = { 'Accept-Language': CODES[language] };
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers['Content-Type'] = 'application/json';
  let answer;
  try {
    answer = await fetch(path, { method: body ? 'POST' : 'GET', headers, body: body && JSON.stringify(body) });
  } catch (error) {
    throw new Error(word('failed') + error.message);
  }
  const said = await answer.json();
  if (!answer.ok) throw new Error([said.detail, ...(said.errors ?? []).map((one) => one.message ?? one.detail)].filter(Boolean).join(' '));
  return said;
}

function options(select, pairs) {
  const before = select.value;
  select.replaceChildren(...pairs.map(([value, text]) => element('option', { value, textContent: text })));
  if (pairs.some(([value]) => value === before)) select.value = before;
}

// "客户 · 查看" and "Customer: Read": what a right is about, and what is done with it.
const parts = (right) => (language === 'zh' ? right.labelZh.split(' · ') : right.labelEn.split(': '));

function offer() {
  const types = rights.filter((right) => right.right.endsWith('.configure'));
  const first = !byId('type').value;
  options(byId('type'), types.map((right) => [right.right.split('.')[0], parts(right)[0]]));
  if (first) byId('type').value = 'customer';
  offerRights();
  const names = people.map((one) => [one.id, `${one.name} · ${one.username}${one.active ? '' : word('disabled')}`]);
  options(byId('person'), names.length ? names : [['', word('nobody')]]);
}

function offerRights() {
  const known = new Map(rights.map((right) => [right.right, right]));
  const wanted = ACTIONS.map((action) => known.get(`${byId('type').value}.${action}`)).filter(Boolean);
  options(byId('right'), wanted.map((right) => [right.right, parts(right)[1]]));
}

async function find() {
  const search = byId('search').value;
  const found = (await ask(`/v1/people?${new URLSearchParams({ search, pageSize: 50 })}`)).people ?? [];
  if (search !== byId('search').value) return;
  people = found;
  offer();
}

// Where it is allowed, a link that does not lead there is nothing amiss.
function link(step) {
  const mark = step.held ? '✓' : shown.allowed ? '–' : '✗';
  return element('li', { className: step.held ? 'held' : shown.allowed ? '' : 'not-held' },
    element('span', { className: 'mark', textContent: mark, title: word(step.held ? 'held' : 'not_held') }),
    element('span', { className: 'kind', textContent: word(step.kind) }),
    element('span', { textContent: step.text }));
}

function show() {
  byId('answer').replaceChildren();
  if (!shown) return;
  byId('answer').append(
    element('h2', { className: shown.allowed ? 'held' : 'not-held', textContent: `${word(shown.allowed ? 'yes' : 'no')} — ${shown.text}` }),
    element('ol', { className: 'chain' }, ...shown.steps.map(link)));
}

async function explain() {
  const query = new URLSearchParams({ userId: byId('person').value, right: byId('right').value });
  const record = encodeURIComponent(byId('record').value.trim());
  shown = null;
  show();
  shown = await ask(`/v1/records/${byId('type').value}/${record}/access?${query}`);
  show();
}

async function login() {
  token = '';
  shown = null;
  show();
  let said = await ask('/v1/auth/login', { username: byId('username').value, password: byId('password').value });
  if (said.secondFactorChallenge) {
    const code = prompt(word('code')) ?? '';
    said = await ask('/v1/auth/verify-second-factor', { challenge: said.secondFactorChallenge, code });
  }
  token = said.accessToken;
  byId('password').value = '';
  rights = (await ask('/v1/rights')).rights;
  entered = byId('username').value;
  byId('question').hidden = false;
  label();
  await find();
}

function label() {
  document.documentElement.lang = CODES[language];
  for (const id of ['title', 'enter', 'language', 'ask']) byId(id).textContent = word(id);
  for (const id of ['username', 'password']) {
    byId(id).placeholder = word(id);
    byId(id).setAttribute('aria-label', word(id));
  }
  for (const id of ['person', 'found', 'type', 'record', 'right']) byId(`${id}-label`).textContent = word(id);
  tell(entered ? word('entered') + entered : word('start'));
  if (entered) offer();
}

const tell = (text) => { byId('state').textContent = text; };

// Does something and says what was refused.
const trying = (act) => async (event) => {
  event?.preventDefault();
  try {
    await act();
  } catch (error) {
    tell(error.message);
  }
};

async function turn() {
  language = language === 'zh' ? 'en' : 'zh';
  label();
  if (shown) await explain();
}

byId('login').addEventListener('submit', trying(login));
byId('question').addEventListener('submit', trying(async () => { label(); await explain(); }));
byId('search').addEventListener('input', trying(find));
byId('type').addEventListener('change', offerRights);
byId('language').addEventListener('click', trying(turn));
label();
