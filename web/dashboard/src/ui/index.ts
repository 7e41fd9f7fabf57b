/** What views are made of. */
export { Button, IconButton, Link } from "./button.tsx";
export { SeverityBadge, StateBadge, Tag } from "./badges.tsx";
export { Choices } from "./choices.tsx";
export { Clash, etagOf, useSave } from "./clash.tsx";
export { Current } from "./current.tsx";
export { Dialog, Drawer } from "./dialog.tsx";
export { useDoing } from "./doing.ts";
export { CheckField, SelectField, TextArea, TextField, useFields, type Faults } from "./fields.tsx";
export { FormFoot, Refusal } from "./foot.tsx";
export { Bars, Graph, type Bar } from "./graph.tsx";
export { Icon, type IconName } from "./icons.tsx";
export { Menu } from "./menu.tsx";
export { Ago, Moment } from "./moment.tsx";
export type { Point } from "./shape.ts";
export { Answered, Boundary, Empty, Failed, Loading } from "./states.tsx";
export { Table, type Column } from "./table.tsx";
export { TabbedView, type Tab } from "./tabs.tsx";
export { sayDone, sayFailed } from "./toasts.tsx";
