export async function GET(request) {
  return Response.json({ forwarded: request.headers.get('x-forwarded-for'), url: request.nextUrl.pathname });
}

export async function POST(request) {
  return Response.json(await request.json(), { status: 201 });
}
