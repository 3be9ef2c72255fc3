// The interface to try out: reads /openapi.json and sends what one fills in. Everything that comes from
// outside becomes text, never markup; the token lives in this page only.
'use strict';

const WORDS = {
  zh: { title: '接口说明', filter: '筛选', username: '用户名', password: '密码', enter: '登录', entered: '已登录：', code: '双重验证的验证码',
        language: 'English', right: '权限', announces: '事件', colon: '：', body: '请求体', send: '发送', required: '必填',
        failed: '没有收到答复：', signed_in: '登录即可', public: '无需登录' },
  en: { title: 'The interface', filter: 'Filter', username: 'User', password: 'Password', enter: 'Log in', entered: 'Logged in: ',
        code: 'Code of the second factor',
        language: '中文', right: 'Right', announces: 'Events', colon: ': ', body: 'Body', send: 'Send', required: 'required',
        failed: 'No answer: ', signed_in: 'any signed-in user', public: 'nobody needs to be signed in' },
};
const CODES = { zh: 'zh-CN', en: 'en' };
let language = navigator.language.startsWith('en') ? 'en' : 'zh';
let token = '';
let api = null;

const byId = (id) => document.getElementById(id);
const word = (key) => WORDS[language][key] ?? key;
const resolve = (value) => value?.$ref ? value.$ref.slice(2).split('/').reduce((at, key) => at[key], api) : value;

function element(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

// Comments of the contract: identifiers of features are for those who build it, and what stands between backticks is code.
const plain = (text) => text.replace(/ \([A-Z]{3}-\d\d(, [A-Z]{3}-\d\d)*\)/g, '');
const worded = (text) => plain(text).split('`').map((part, at) => at % 2 ? element('code', { textContent: part }) : part);

// A document with the required fields of a schema, to start from.
function skeleton(schema, depth = 0) {
  schema = resolve(schema) ?? {};
  const type = [schema.type].flat()[0];
  if (schema.enum) return schema.enum[0];
  if (type === 'object' && depth < 4) {
    const wanted = schema.required ?? Object.keys(schema.properties ?? {}).slice(0, 4);
    return Object.fromEntries(wanted.map((key) => [key, skeleton(schema.properties?.[key], depth + 1)]));
  }
  if (type === 'array') return depth < 4 ? [skeleton(schema.items, depth + 1)] : [];
  return { integer: 0, number: 0, boolean: false, object: {} }[type] ?? '';
}

function labelOf(parameter) {
  const name = parameter.schema['x-title-zh'] && language === 'zh' ? `${parameter.schema['x-title-zh']} ` : '';
  return `${name}${parameter.name}${parameter.required ? ` (${word('required')})` : ''}`;
}

async function send(verb, path, fields, body, output) {
  const query = new URLSearchParams();
  const headers = { 'Accept-Language': CODES[language] };
  for (const [parameter, input] of fields) {
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(input.value));
    else if (input.value === '') continue;
    else if (parameter.in === 'query') query.append(parameter.name, input.value);
    else headers[parameter.name] = input.value;
  }
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body) headers['Content-Type'] = 'application/json';
  try {
    const answer = await fetch(query.size ? `${path}?${query}` : path, { method: verb, headers, body: body || undefined });
    const text = await answer.text();
    const shown = answer.headers.get('content-type')?.includes('json') ? JSON.stringify(JSON.parse(text), null, 2) : text;
    const etag = answer.headers.get('etag');
    output.textContent = `${answer.status} ${answer.statusText}${etag ? `\nETag: ${etag}` : ''}\n\n${shown}`;
  } catch (error) {
    output.textContent = word('failed') + error.message;
  }
}

function form(verb, path, operation) {
  const fields = operation.parameters.map(resolve).filter((parameter) => parameter.name !== 'Accept-Language')
    .map((parameter) => [parameter, element('input', { title: parameter.description ?? '' })]);
  const content = operation.requestBody?.content['application/json'];
  const body = content && element('textarea', { value: JSON.stringify(skeleton(content.schema), null, 2), spellcheck: false });
  if (body) body.setAttribute('aria-label', word('body'));
  const output = element('pre', { hidden: true });
  const button = element('button', { type: 'button', textContent: word('send') });
  button.addEventListener('click', async () => {
    await send(verb.toUpperCase(), path, fields, body?.value, output);
    output.hidden = false;
  });
  const told = `${word('right')}${word('colon')}${word(operation['x-right'])}`
    + (operation['x-announces'].length ? ` · ${word('announces')}${word('colon')}${operation['x-announces'].join(', ')}` : '');
  return element('div', {},
    element('p', {}, ...worded(operation.description)),
    element('p', { className: 'note', textContent: told }),
    ...fields.map(([parameter, input]) => element('label', { textContent: labelOf(parameter) }, input)),
    ...(body ? [body] : []), button, output);
}

// An address that, where it is too long for one line, goes on in the next with a whole part.
function address(path) {
  return element('code', { className: 'address' },
    ...path.split(/(?=[/:])/).map((part) => element('span', { textContent: part })));
}

function entry(verb, path, operation) {
  const made = element('details', {}, element('summary', {},
    element('span', { className: 'verb', textContent: verb.toUpperCase() }), ' ',
    address(path), ' ',
    element('span', { className: 'note' }, ...worded(operation.summary))));
  made.addEventListener('toggle', () => {
    if (made.open && made.children.length === 1) made.append(form(verb, path, operation));
  });
  return made;
}

function show() {
  document.documentElement.lang = CODES[language];
  for (const id of ['title', 'enter', 'language']) byId(id).textContent = word(id);
  for (const id of ['filter', 'username', 'password']) {
    byId(id).placeholder = word(id);
    byId(id).setAttribute('aria-label', word(id));
  }
  const wanted = byId('filter').value.toLowerCase();
  const sections = new Map(api.tags.map((tag) => [tag.name, [element('h2', { textContent: tag.name }),
    element('p', { className: 'note' }, ...worded(tag.description))]]));
  for (const [path, verbs] of Object.entries(api.paths)) {
    for (const [verb, operation] of Object.entries(verbs)) {
      if (`${verb} ${path} ${operation.description}`.toLowerCase().includes(wanted)) {
        sections.get(operation.tags[0]).push(entry(verb, path, operation));
      }
    }
  }
  byId('operations').replaceChildren(...[...sections.values()].filter((parts) => parts.length > 2).flat());
}

async function login(event) {
  event.preventDefault();
  const body = JSON.stringify({ username: byId('username').value, password: byId('password').value });
  const headers = { 'Content-Type': 'application/json', 'Accept-Language': CODES[language] };
  let answer = await fetch('/v1/auth/login', { method: 'POST', headers, body });
  let said = await answer.json();
  if (said.secondFactorChallenge) {
    const second = JSON.stringify({ challenge: said.secondFactorChallenge, code: prompt(word('code')) ?? '' });
    answer = await fetch('/v1/auth/verify-second-factor', { method: 'POST', headers, body: second });
    said = await answer.json();
  }
  token = answer.ok ? said.accessToken : '';
  byId('state').textContent = answer.ok ? word('entered') + byId('username').value : said.detail;
}

async function start() {
  api = await (await fetch('/openapi.json')).json();
  byId('login').addEventListener('submit', login);
  byId('filter').addEventListener('input', show);
  byId('language').addEventListener('click', () => { language = language === 'zh' ? 'en' : 'zh'; show(); });
  show();
}

start();
