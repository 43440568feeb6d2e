// Puts the chosen theme on the page before it is painted. A classic script, since modules run too late for that.
(() => {
  let theme = null
  try {
    theme = localStorage.getItem('theme')
  } catch {
    // Without storage the system decides.
  }
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme
})()
