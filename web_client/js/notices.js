// The status pill and the notices below the picture.

const pill = document.getElementById("status");
const pillText = document.getElementById("status-text");
const list = document.getElementById("notices");

export function showStatus(state, text) {
  pill.dataset.state = state;
  pillText.textContent = text;
}

export function notify(text, { hint = "", bad = false, seconds = bad ? 0 : 7 } = {}) {
  for (const old of list.children) if (old.dataset.text === text) old.remove();
  const notice = document.createElement("div");
  notice.className = bad ? "notice bad" : "notice";
  notice.dataset.text = text;
  const body = document.createElement("p");
  body.textContent = text;
  if (hint) {
    const small = document.createElement("small");
    small.textContent = hint;
    body.append(small);
  }
  const close = document.createElement("button");
  close.type = "button";
  close.textContent = "×";
  close.setAttribute("aria-label", "Dismiss");
  close.onclick = () => notice.remove();
  notice.append(body, close);
  list.append(notice);
  while (list.children.length > 3) list.firstElementChild.remove();
  if (seconds) setTimeout(() => notice.remove(), seconds * 1000);
}

export const complain = (error) => notify(error.message, { hint: error.hint ?? "", bad: true });

export function clearNotices() {
  list.replaceChildren();
}
