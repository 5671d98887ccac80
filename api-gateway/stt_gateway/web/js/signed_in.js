// The window that comes back from the issuer (signed-in.html): it hands the answer to the page that asked, and closes.
const CHANNEL = "sign-in"; // to js/ui/issuer.js

const answer = Object.fromEntries(new URLSearchParams(location.search));
history.replaceState(null, "", location.pathname);
const channel = new BroadcastChannel(CHANNEL);
channel.onmessage = ({ data }) => {
  if (data.done && data.done === answer.state) window.close();
};
channel.postMessage(answer);

const { lang } = document.documentElement;
const text = document.querySelector(`p[lang="${lang}"]`) ?? document.querySelector('p[lang="en"]');
text.hidden = false;
document.title = text.textContent;
