/// The page's style sheet: figures that are read from ten metres on a wall, and fit a phone.
enum ScreenStyle {
    static let text = """
        :root {
          color-scheme: light dark;
          --paper: #f6f7f9; --card: #ffffff; --ink: #14181f; --faint: #5b6573; --line: #d8dde4;
          --accent: #0b5cad; --alarm: #b3261e; --on-alarm: #ffffff;
        }
        @media (prefers-color-scheme: dark) {
          :root {
            --paper: #0d1117; --card: #161c25; --ink: #f0f4f8; --faint: #9aa7b5; --line: #2b3542;
            --accent: #6cb6ff; --alarm: #d93a2f; --on-alarm: #ffffff;
          }
        }
        * { box-sizing: border-box; }
        body {
          margin: 0; padding: 1.5vw; background: var(--paper); color: var(--ink);
          font-family: system-ui, "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC", "Microsoft YaHei", sans-serif;
          font-variant-numeric: tabular-nums;
        }
        header { display: flex; flex-wrap: wrap; align-items: baseline; justify-content: space-between; gap: 0 2rem; }
        h1 { margin: 0 0 1rem; font-size: clamp(1.4rem, 2.4vw, 3rem); }
        h2 { margin: 0; font-size: clamp(1rem, 1.5vw, 1.8rem); font-weight: 600; }
        span[lang="en"] { color: var(--faint); font-weight: 400; font-size: .75em; }
        #state { margin: 0; font-size: clamp(1rem, 1.4vw, 1.6rem); color: var(--faint); }
        .stale #state, .alarm {
          background: var(--alarm); color: var(--on-alarm); padding: .3em .8em; border-radius: .3em; font-weight: 700;
        }
        .stale #state span, .alarm span { color: inherit; }
        .stale output, .stale tbody, .stale .figure b { opacity: .45; }
        .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(15rem, 1fr)); gap: 1vw; margin-bottom: 1.5vw; }
        .figure { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1.2vw; min-width: 0; container-type: inline-size; }
        .figure h2 span[lang="en"] { display: block; }
        .figure output {
          display: block; font-size: clamp(2.5rem, 20cqi, 10rem); font-weight: 700; line-height: 1.15; white-space: nowrap;
        }
        .figure.main output { color: var(--accent); }
        .figure ul { list-style: none; margin: .4rem 0 0; padding: 0; font-size: clamp(.9rem, 1.2vw, 1.4rem); }
        table { width: 100%; border-collapse: collapse; margin-top: .6rem; font-size: clamp(.9rem, 1.4vw, 1.8rem); }
        th, td { text-align: end; padding: .35em .6em; border-bottom: 1px solid var(--line); }
        th:first-child, td:first-child { text-align: start; }
        td small { color: var(--faint); margin-inline-start: .5em; }
        .trouble, .trouble span { color: var(--alarm); font-weight: 700; }
        td.trouble { color: var(--alarm); font-weight: 700; }
        @media (max-width: 40rem) {
          body { padding: .8rem; }
          th, td { padding: .3em .25em; }
          th span[lang="en"] { display: block; }
          td small { display: block; margin: 0; }
        }

        """
}
